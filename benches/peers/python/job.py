"""The listener's job: a custom resource request from SNS is held against the table, recorded and queued, or refused.
The same calls as Latchkey's listener, without its checks."""

import json
import os
from datetime import datetime, timezone

import boto3

TABLE_NAME = os.environ["TABLE_NAME"]
QUEUE_URL = os.environ["VERIFICATION_QUEUE_URL"]

dynamodb = boto3.resource("dynamodb")
table = dynamodb.Table(TABLE_NAME)
sqs = boto3.client("sqs")


class Refused(Exception):
    """Why a request is refused."""


def get(pk, sk):
    return table.get_item(Key={"pk": pk, "sk": sk}, ConsistentRead=True).get("Item")


def get_both(keys):
    wanted = {TABLE_NAME: {"Keys": keys, "ConsistentRead": True}}
    items = dynamodb.batch_get_item(RequestItems=wanted)["Responses"].get(TABLE_NAME, [])
    return [next((item for item in items if item["pk"] == key["pk"]), None) for key in keys]


def register(message, sent_at):
    """Records a request and queues its verification."""
    stack_id, request_id = message["StackId"], message["RequestId"]
    properties = message["ResourceProperties"]
    key = {"pk": f"REQUEST#{stack_id}#{request_id}", "sk": "REQUEST"}
    external_id = {"pk": f"EXTERNAL#{properties['ExternalId']}", "sk": "EXTERNAL"}
    request, pointer = get_both([key, external_id])
    if request:
        return
    if pointer is None:
        raise Refused("external_id_unknown: there is no connection with this external ID")
    connection = pointer.get("untouched")
    if connection is None:
        connection = get(f"TENANT#{pointer['tenant']}", f"CONN#{pointer['connection_id']}")
    now = datetime.now(timezone.utc)
    sqs.send_message(
        QueueUrl=QUEUE_URL,
        MessageBody=json.dumps({"kind": "request", "stack_id": stack_id, "request_id": request_id}),
    )
    attempt = {
        "request": {"stack_id": stack_id, "request_id": request_id},
        "role_arn": properties["RoleArn"],
        "started_at": now.isoformat(),
    }
    sent_ms = int(datetime.fromisoformat(sent_at.replace("Z", "+00:00")).timestamp() * 1000)

    def put(item, **rest):
        return {"Put": {"TableName": TABLE_NAME, "Item": item, **rest}}

    dynamodb.meta.client.transact_write_items(
        TransactItems=[
            put(
                {**key, **message, **pointer_of(pointer), "published_at": sent_at},
                ConditionExpression="attribute_not_exists(pk)",
            ),
            {
                "ConditionCheck": {
                    "TableName": TABLE_NAME,
                    "Key": {"pk": f"DELETED#{stack_id}#{message['LogicalResourceId']}", "sk": "DELETED"},
                    "ConditionExpression": "attribute_not_exists(pk) OR deleted_at_ms < :sent",
                    "ExpressionAttributeValues": {":sent": sent_ms},
                }
            },
            put(
                {
                    **connection,
                    "pk": f"TENANT#{pointer['tenant']}",
                    "sk": f"CONN#{pointer['connection_id']}",
                    "state": {"status": "verifying", "attempt": attempt},
                    "version": connection["version"] + 1,
                },
                ConditionExpression="version = :version",
                ExpressionAttributeValues={":version": connection["version"]},
            ),
            put(
                {
                    "pk": f"AUDIT#{pointer['connection_id']}",
                    "sk": f"{now.isoformat()}#attempt_started",
                    "at": now.isoformat(),
                    "event": "attempt_started",
                }
            ),
            put({**external_id, **pointer_of(pointer)}),
        ]
    )


def pointer_of(pointer):
    return {"tenant": pointer["tenant"], "connection_id": pointer["connection_id"]}
