"""The job with crhelper, which answers the stack after every request: it has no way to leave the answer to somebody
else, so a request that is taken costs one PUT more than it costs Latchkey's listener."""

import json

from crhelper import CfnResource

helper = CfnResource(log_level="INFO")

# After the helper, as in its documentation: what fails here is told to the stack.
try:
    import job
except Exception as error:  # noqa: BLE001
    helper.init_failure(error)


@helper.create
def create(event, _context):
    job.register(event, event["SentAt"])


def handler(event, context):
    for record in event["Records"]:
        message = json.loads(record["Sns"]["Message"])
        helper(message | {"SentAt": record["Sns"]["Timestamp"]}, context)
