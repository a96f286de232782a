"""The Lambda Runtime API's loop, as small as it can be: AWS's own does more, so it flatters Python."""

import http.client
import importlib
import json
import os
import sys
import time
import traceback

PATH = "/2018-06-01/runtime/invocation"


class Context:
    """What a handler may ask."""

    function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
    log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
    log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]

    def __init__(self, headers):
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.invoked_function_arn = headers["lambda-runtime-invoked-function-arn"]
        self._deadline_ms = int(headers["lambda-runtime-deadline-ms"])

    def get_remaining_time_in_millis(self):
        return max(self._deadline_ms - int(time.time() * 1000), 0)


def call(connection, method, path, body=None):
    connection.request(method, path, body)
    response = connection.getresponse()
    return response.headers, response.read()


def main():
    handler = importlib.import_module(sys.argv[1]).handler
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    while True:
        headers, event = call(connection, "GET", f"{PATH}/next")
        context = Context(headers)
        try:
            result = json.dumps(handler(json.loads(event), context))
            call(connection, "POST", f"{PATH}/{context.aws_request_id}/response", result)
        except Exception:  # noqa: BLE001
            error = json.dumps({"errorMessage": traceback.format_exc()})
            call(connection, "POST", f"{PATH}/{context.aws_request_id}/error", error)


main()
