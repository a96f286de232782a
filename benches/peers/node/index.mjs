// The listener's job: a custom resource request from SNS is held against the table, recorded and queued, or refused
// with an answer to its stack. The same calls as Latchkey's listener, without its checks.
import { readFileSync } from "node:fs";
import { Agent, request as httpsRequest } from "node:https";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { BatchGetCommand, DynamoDBDocumentClient, GetCommand, TransactWriteCommand } from "@aws-sdk/lib-dynamodb";
import { SQSClient, SendMessageCommand } from "@aws-sdk/client-sqs";

const { TABLE_NAME, VERIFICATION_QUEUE_URL, STUB_AUTHORITY } = process.env;

// The stub's root alone: reading it is cheaper than reading the roots that Node has built in.
const httpsAgent = new Agent({ keepAlive: true, ca: STUB_AUTHORITY && readFileSync(STUB_AUTHORITY) });
const requestHandler = { httpsAgent };
const table = DynamoDBDocumentClient.from(new DynamoDBClient({ requestHandler }));
// md5: the stub sends none; without the check Node has a little less to do.
const queue = new SQSClient({ requestHandler, md5: false });

const get = async (Key) => (await table.send(new GetCommand({ TableName: TABLE_NAME, Key, ConsistentRead: true }))).Item;

const getBoth = async (Keys) => {
  const answer = await table.send(new BatchGetCommand({ RequestItems: { [TABLE_NAME]: { Keys, ConsistentRead: true } } }));
  const items = answer.Responses?.[TABLE_NAME] ?? [];
  return Keys.map(({ pk }) => items.find((item) => item.pk === pk));
};

export async function handler(event) {
  for (const record of event.Records) {
    await receive(JSON.parse(record.Sns.Message), record.Sns.Timestamp);
  }
}

async function receive(message, sentAt) {
  const { StackId, RequestId, LogicalResourceId, ResourceProperties } = message;
  const key = { pk: `REQUEST#${StackId}#${RequestId}`, sk: "REQUEST" };
  const externalId = { pk: `EXTERNAL#${ResourceProperties.ExternalId}`, sk: "EXTERNAL" };
  const [request, pointer] = await getBoth([key, externalId]);
  if (request) {
    return;
  }
  if (!pointer) {
    await answer(message, "FAILED", "external_id_unknown: there is no connection with this external ID");
    return;
  }
  const place = { pk: `TENANT#${pointer.tenant}`, sk: `CONN#${pointer.connection_id}` };
  const connection = pointer.untouched ?? (await get(place));
  const now = new Date().toISOString();
  await queue.send(new SendMessageCommand({
    QueueUrl: VERIFICATION_QUEUE_URL,
    MessageBody: JSON.stringify({ kind: "request", stack_id: StackId, request_id: RequestId }),
  }));
  const attempt = { request: { stack_id: StackId, request_id: RequestId }, role_arn: ResourceProperties.RoleArn, started_at: now };
  const put = (Item, rest) => ({ Put: { TableName: TABLE_NAME, Item, ...rest } });
  await table.send(new TransactWriteCommand({
    TransactItems: [
      put(
        { ...key, ...message, tenant: pointer.tenant, connection_id: pointer.connection_id, published_at: sentAt },
        { ConditionExpression: "attribute_not_exists(pk)" },
      ),
      {
        ConditionCheck: {
          TableName: TABLE_NAME,
          Key: { pk: `DELETED#${StackId}#${LogicalResourceId}`, sk: "DELETED" },
          ConditionExpression: "attribute_not_exists(pk) OR deleted_at_ms < :sent",
          ExpressionAttributeValues: { ":sent": Date.parse(sentAt) },
        },
      },
      put(
        { ...connection, ...place, state: { status: "verifying", attempt }, version: connection.version + 1 },
        { ConditionExpression: "version = :version", ExpressionAttributeValues: { ":version": connection.version } },
      ),
      put({ pk: `AUDIT#${pointer.connection_id}`, sk: `${now}#attempt_started`, at: now, event: "attempt_started" }),
      put({ ...externalId, tenant: pointer.tenant, connection_id: pointer.connection_id }),
    ],
  }));
  console.log(JSON.stringify({ level: "INFO", message: "request.received", "request.id": RequestId, "stack.id": StackId }));
}

function answer(message, Status, Reason) {
  const body = JSON.stringify({
    Status,
    Reason,
    RequestId: message.RequestId,
    StackId: message.StackId,
    LogicalResourceId: message.LogicalResourceId,
    PhysicalResourceId: message.PhysicalResourceId ?? `latchkey-${message.RequestId}`,
  });
  return new Promise((resolve, reject) => {
    const put = httpsRequest(message.ResponseURL, {
      method: "PUT",
      agent: httpsAgent,
      headers: { "content-type": "", "content-length": Buffer.byteLength(body) },
    }, (response) => {
      response.resume();
      response.on("end", () => (response.statusCode < 300 ? resolve() : reject(new Error(`${response.statusCode}`))));
    });
    put.on("error", reject);
    put.end(body);
  });
}
