"""The scene of the self-test: a local AWS of its own, the vendor's side, and a customer's stacks."""

import http.client
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

VENDOR, CUSTOMER, CLOUDFORMATION = "111111111111", "222222222222", "999999999999"
LAUNCHER = Path(__file__).with_name("launcher.py")
ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}

# A Lambda runtime in Python. It fails the first time it sees a request, answers custom resources that
# came over SNS or directly, and tells anyone else about its own process.
BOOTSTRAP = """#!{python}
import http.client, json, os
from urllib.parse import urlsplit

def call(method, path, body=None):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, "/2018-06-01/runtime/invocation/" + path, body)
    response = connection.getresponse()
    return response.headers.get("Lambda-Runtime-Aws-Request-Id"), json.loads(response.read() or "null")

def answer(request, data):
    url = urlsplit(request["ResponseURL"])
    connection = http.client.HTTPConnection(urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc)
    connection.request("PUT", url.path + "?" + url.query, json.dumps({{
        "Status": "SUCCESS", "PhysicalResourceId": "made-by-lambda", "Data": data,
        **{{key: request[key] for key in ("StackId", "RequestId", "LogicalResourceId")}}}}), {{"Host": url.netloc}})
    assert connection.getresponse().status == 200

seen = set()
while True:
    invocation, event = call("GET", "next")
    if "Records" in event:
        sns = event["Records"][0]["Sns"]
        request = json.loads(sns["Message"])
        if request["RequestId"] not in seen:
            seen.add(request["RequestId"])
            call("POST", invocation + "/error", json.dumps({{"errorType": "First", "errorMessage": "not yet"}}))
            continue
        answer(request, {{"Keys": ",".join(sorted(sns))}})
    elif "ResponseURL" in event:
        answer(event, {{}})
    call("POST", invocation + "/response", json.dumps({{"process": os.getpid(), "environment": dict(os.environ)}}))
"""


def free_port():
    """A TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, what, seconds=10):
    """The first true value of ``condition()``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen within {seconds} s")


def running(process):
    """Whether the process exists and is not merely waiting to be reaped."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class LocalAws:
    """One local AWS on a free port, with its files in a directory of its own."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="latchkey-local-aws-")
        self.port = free_port()
        self.log = Path(self.directory.name, "log")
        self._clients = {}

    def command(self):
        """The command line that starts it."""
        return [sys.executable, str(LAUNCHER), "--port", str(self.port), "--account", VENDOR,
                "--data-dir", self.directory.name]

    def start(self, **environment):
        """Start the launcher as our child, and wait until it is ready."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, env={**os.environ, **environment})
        self.wait_until_ready()
        return self

    def wait_until_ready(self):
        """Return when the health endpoint answers."""
        wait_until(lambda: self.request("GET", "/_ministack/health") == 200, "readiness", 20)

    def stop(self):
        """End what ``start`` started, and remove its files."""
        self.process.terminate()
        code = self.process.wait(10)
        self.directory.cleanup()
        return code

    def request(self, method, path, body=None, headers=None):
        """The status of one plain HTTP request; None while nobody listens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, headers or {})
            return connection.getresponse().status
        except ConnectionError:
            return None
        finally:
            connection.close()

    def client(self, service, account=VENDOR, region="us-east-1"):
        """A client of the account's root: for setting the scene up."""
        key = (service, account, region)
        if key not in self._clients:
            self._clients[key] = self.client_with(service, region, AccessKeyId=account, SecretAccessKey="test")
        return self._clients[key]

    def client_with(self, service, region, AccessKeyId, SecretAccessKey, SessionToken=None, **_):
        """A client with the credentials that AssumeRole answered."""
        # Version 4 is every service's default, except for S3's pre-signed URLs on a local endpoint.
        config = Config(retries={"max_attempts": 0}, signature_version="v4")
        return boto3.client(service, region_name=region, endpoint_url=f"http://127.0.0.1:{self.port}", config=config,
                            aws_access_key_id=AccessKeyId, aws_secret_access_key=SecretAccessKey,
                            aws_session_token=SessionToken)

    def role_session(self, account, name, path="/"):
        """Credentials of a session of a new role that may do everything."""
        iam = self.client("iam", account)
        trust = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"}]}
        role = iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
        iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=json.dumps(ALL))
        return self.client("sts", account).assume_role(RoleArn=role["Arn"], RoleSessionName="self-test")["Credentials"]

    def function(self, name, account=VENDOR, region="us-east-1"):
        """The ARN of a new Lambda function that runs BOOTSTRAP."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as package:
            entry = zipfile.ZipInfo("bootstrap")
            entry.external_attr = 0o755 << 16
            package.writestr(entry, BOOTSTRAP.format(python=sys.executable))
        trust = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
        role = self.client("iam", account).create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        return self.client("lambda", account, region).create_function(
            FunctionName=name, Runtime="provided.al2023", Handler="bootstrap", Timeout=20, Role=role["Role"]["Arn"],
            Code={"ZipFile": archive.getvalue()})["FunctionArn"]


class Listener:
    """The vendor's topic in one region, and a queue in the hub region by which the test plays the function."""

    def __init__(self, aws, name, region="eu-west-1"):
        self.aws, self.region = aws, region
        self.topic = open_topic(aws, name, region)
        sqs = aws.client("sqs")
        self.queue = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sqs.set_queue_attributes(QueueUrl=self.queue, Attributes={"Policy": json.dumps({
            "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
                "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": self.topic}}}]})})
        aws.client("sns", VENDOR, region).subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn)

    def envelope(self, seconds=5):
        """The next SNS envelope, or None."""
        sqs = self.aws.client("sqs")
        messages = sqs.receive_message(QueueUrl=self.queue, WaitTimeSeconds=seconds).get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
            return json.loads(message["Body"])
        return None

    def request(self, expected_type):
        """The next custom resource request, which must be of this type."""
        envelope = self.envelope()
        assert envelope, f"no {expected_type} request came"
        request = json.loads(envelope["Message"])
        assert request["RequestType"] == expected_type, f"{request['RequestType']} instead of {expected_type}"
        return request

    def silent(self):
        """Whether no request is waiting, nor comes at once."""
        return self.envelope(seconds=0) is None

    def answer(self, request, body=None, url=None, headers=None, **fields):
        """PUT an answer as the Rust functions do: to the local port, under the host of the URL; the status."""
        url = urlsplit(url or request["ResponseURL"])
        if body is None:
            body = json.dumps({
                "Status": "SUCCESS", "PhysicalResourceId": request.get("PhysicalResourceId", "connection-1"),
                **{key: request[key] for key in ("StackId", "RequestId", "LogicalResourceId")}, **fields})
        return self.aws.request("PUT", f"{url.path}?{url.query}", body, {"Host": url.netloc, **(headers or {})})


def open_topic(aws, name, region, principal="*"):
    """The ARN of a topic that ``principal`` may publish to."""
    sns = aws.client("sns", VENDOR, region)
    topic = sns.create_topic(Name=name)["TopicArn"]
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps({
        "Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sns:Publish", "Resource": topic}]}))
    return topic


class Stack:
    """A customer's stack with one custom resource, by default."""

    def __init__(self, aws, name, region="eu-west-1", client=None):
        self.name = name
        self.cloudformation = client or aws.client("cloudformation", CUSTOMER, region)

    def create(self, topic, resources=None, options=None, **properties):
        """Start to create it."""
        self.cloudformation.create_stack(
            StackName=self.name, TemplateBody=template(topic, resources, **properties),
            Capabilities=["CAPABILITY_NAMED_IAM"], **(options or {}))
        return self

    def update(self, topic, resources=None, **properties):
        """Start to update it."""
        self.cloudformation.update_stack(StackName=self.name, TemplateBody=template(topic, resources, **properties),
                                         Capabilities=["CAPABILITY_NAMED_IAM"])

    def delete(self):
        """Start to delete it."""
        self.cloudformation.delete_stack(StackName=self.name)

    def events(self):
        """(logical id, status, reason) from first to last."""
        events = self.cloudformation.describe_stack_events(StackName=self.name)["StackEvents"]
        return [(event["LogicalResourceId"], event["ResourceStatus"], event.get("ResourceStatusReason", ""))
                for event in reversed(events)]

    def wait_for(self, status, seconds=10):
        """Return when the stack's own status is this one."""
        wait_until(lambda: (self.name, status) == self.events()[-1][:2], f"{self.name} {status}", seconds)

    def reason(self, status, logical_id="Connection"):
        """Why the resource came into this status."""
        wait_until(lambda: any(event[:2] == (logical_id, status) for event in self.events()), status)
        return next(event[2] for event in self.events() if event[:2] == (logical_id, status))


def template(topic, resources, **properties):
    """A template with the custom resource ``Connection`` and what else is asked for."""
    return json.dumps({"Resources": {
        "Connection": {"Type": "Custom::LatchkeyConnection", "Properties": {"ServiceToken": topic, **properties}},
        **(resources or {})}})
