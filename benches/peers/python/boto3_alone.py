"""The job with boto3 alone: the answer is a PUT by urllib3, which boto3 brings along."""

import json
import logging
import os

import job
import urllib3

logging.getLogger().setLevel(logging.INFO)
http = urllib3.PoolManager(ca_certs=os.environ.get("AWS_CA_BUNDLE"))


def handler(event, _context):
    for record in event["Records"]:
        message = json.loads(record["Sns"]["Message"])
        try:
            job.register(message, record["Sns"]["Timestamp"])
        except job.Refused as refused:
            answer(message, str(refused))
        logging.info("request.received %s", message["RequestId"])


def answer(message, reason):
    body = json.dumps(
        {
            "Status": "FAILED",
            "Reason": reason,
            "RequestId": message["RequestId"],
            "StackId": message["StackId"],
            "LogicalResourceId": message["LogicalResourceId"],
            "PhysicalResourceId": message.get("PhysicalResourceId", f"latchkey-{message['RequestId']}"),
        }
    )
    response = http.request("PUT", message["ResponseURL"], body=body, headers={"content-type": ""}, redirect=False)
    if response.status >= 300:
        raise RuntimeError(response.status)
