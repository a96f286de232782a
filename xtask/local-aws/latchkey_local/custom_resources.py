"""Correction: custom resources whose ServiceToken is an SNS topic."""

import json
import uuid
from dataclasses import dataclass
from xml.etree import ElementTree

from . import answers, rollback
from .wrapping import wrap

SUBJECT = "AWS CloudFormation custom resource request"
# AWS: the range and the default of ServiceTimeout, in seconds.
LONGEST_TIMEOUT = 3600

_INVOKE_PARAMETERS = ("request_type", "logical_id", "props", "stack_name", "stack_id", "resource_type",
                      "physical_id", "old_props")
_PUT_OBJECT_PARAMETERS = ("bucket_name", "key", "body", "headers")


@dataclass(frozen=True)
class StackId:
    """The parts of a stack's ARN that decide where its requests go."""

    arn: str
    region: str
    account: str

    @classmethod
    def parse(cls, arn):
        """From the ARN that MiniStack gave the stack."""
        _, _, _, region, account, _ = arn.split(":", 5)
        return cls(arn, region, account)


class RequestFailed(Exception):
    """The operation on the resource failed; the text is the ResourceStatusReason.

    ``delivered`` tells whether the topic took the request, ``physical_id`` what a FAILED answer named.
    """

    def __init__(self, reason, delivered, physical_id=None):
        super().__init__(reason)
        self.delivered = delivered
        self.physical_id = physical_id


def apply(response_urls, pending):
    """Send requests for SNS tokens as AWS does; leave Lambda tokens to MiniStack.

    AWS: CloudFormation publishes the request to the topic with the credentials of the stack's
    creator, waits for the answer on a pre-signed URL until ServiceTimeout, and takes the first.
    """
    from ministack.services import s3
    from ministack.services.cloudformation import custom_resource

    def invoke_wrapper(original):
        def invoke(request_type, logical_id, props, stack_name, stack_id, resource_type,
                   physical_id=None, old_props=None):
            if not str(props.get("ServiceToken", "")).startswith("arn:aws:sns:"):
                return original(request_type, logical_id, props, stack_name, stack_id, resource_type,
                                physical_id, old_props)
            request = build_request(request_type, logical_id, props, stack_id, resource_type,
                                    physical_id, old_props)
            try:
                return exchange(request, StackId.parse(stack_id), response_urls, pending)
            except RequestFailed as failure:
                if request_type == "Create" and failure.delivered:
                    rollback.remember_failed_create(stack_name, logical_id, resource_type, props,
                                                    failure.physical_id, str(failure))
                raise
        return invoke

    def put_object_wrapper(original):
        def put_object(bucket_name, key, body, headers):
            from ministack.core.responses import get_account_id

            result = original(bucket_name, key, body, headers)
            if result[0] == 200 and get_account_id() == response_urls.account:
                pending.deliver(key, body)
            return result
        return put_object

    def reset_wrapper(original):
        def reset():
            pending.cancel(None, "The local AWS was reset.")
            original()
        return reset

    wrap(custom_resource, "invoke_custom_resource", _INVOKE_PARAMETERS, invoke_wrapper)
    wrap(s3, "_put_object", _PUT_OBJECT_PARAMETERS, put_object_wrapper)
    wrap(custom_resource, "reset", (), reset_wrapper)


def build_request(request_type, logical_id, props, stack_id, resource_type, physical_id, old_props):
    """The request without its ResponseURL; its keys in the order AWS sends them.

    AWS: primitive property values are sent as strings; PhysicalResourceId comes with Update and
    Delete, OldResourceProperties with Update; ServiceToken, and ServiceTimeout where it is given,
    are repeated at the top level.
    """
    from ministack.services.cloudformation.custom_resource import _normalise_resource_properties as as_strings

    properties = as_strings(props)
    request = {
        "RequestType": request_type,
        "ServiceToken": properties["ServiceToken"],
        "ResponseURL": None,
        "StackId": stack_id,
        "RequestId": str(uuid.uuid4()),
        "LogicalResourceId": logical_id,
    }
    if request_type != "Create":
        request["PhysicalResourceId"] = physical_id
    request["ResourceType"] = resource_type
    request["ResourceProperties"] = properties
    if request_type == "Update":
        request["OldResourceProperties"] = as_strings(old_props)
    if "ServiceTimeout" in properties:
        request["ServiceTimeout"] = properties["ServiceTimeout"]
    return request


def exchange(request, stack, response_urls, pending):
    """Publish the request and wait for its answer: (physical id, attributes), or RequestFailed."""
    timeout = _timeout(request)
    _require_same_region(request["ServiceToken"], stack.region)
    key = "|".join((stack.arn, request["LogicalResourceId"], request["RequestId"]))
    waiter = pending.expect(key)
    try:
        # After expect: a deletion that begins later finds the waiter and cancels it.
        if request["RequestType"] == "Create" and rollback.is_abandoned(stack.arn):
            raise RequestFailed(rollback.CANCELLED, delivered=False)
        message = json.dumps({**request, "ResponseURL": response_urls.url_for(stack, key)})
        _publish(request["ServiceToken"], message)
        body = waiter.wait(timeout)
    except answers.Cancelled as cancelled:
        raise RequestFailed(str(cancelled), delivered=True) from None
    finally:
        pending.forget(key)
    if body is None:
        raise RequestFailed(
            "CloudFormation did not receive a response from your Custom Resource. Please check your logs for "
            f"requestId [{request['RequestId']}]. If you are using the Python cfn-response module, you may need to "
            "update your Lambda function code so that CloudFormation can attach the updated version.", delivered=True)
    return _outcome(body, request)


def _outcome(body, request):
    suffix = f"(RequestId: {request['RequestId']})"
    try:
        answer = answers.parse(body, request)
    except answers.InvalidAnswer as invalid:
        raise RequestFailed(f"{invalid} {suffix}", delivered=True) from None
    physical_id = answer["PhysicalResourceId"]
    if answer["Status"] == "FAILED":
        raise RequestFailed("Received response status [FAILED] from custom resource. "
                            f"Message returned: {answer['Reason']} {suffix}", True, physical_id)
    return physical_id, answer.get("Data") or {}


def _timeout(request):
    """AWS: a whole number of seconds from 1 to 3600, by default 3600."""
    given = request.get("ServiceTimeout", str(LONGEST_TIMEOUT))
    if not (isinstance(given, str) and given.isascii() and given.isdigit() and 1 <= int(given) <= LONGEST_TIMEOUT):
        raise RequestFailed("Property validation failure: [ServiceTimeout must be a whole number of seconds "
                            f"between 1 and {LONGEST_TIMEOUT}]", delivered=False)
    return int(given)


def _require_same_region(service_token, region):
    """AWS: the topic must be in the stack's region."""
    if service_token.split(":")[3] != region:
        raise RequestFailed(f"Custom Resource ServiceToken [{service_token}] must be in the region of the stack, "
                            f"{region}", delivered=False)


def _publish(topic_arn, message):
    """Publish as the one who runs the stack operation, if the topic's policy lets them.

    MiniStack keeps the caller, account and region of the stack operation in context variables,
    which the thread of a custom resource inherits.
    """
    from ministack.services import sns

    topic, refused = sns._get_topic(topic_arn, "sns:Publish")
    if refused:
        status, _, body = refused
        error = {element.tag.rpartition("}")[2]: element.text for element in ElementTree.fromstring(body).iter()}
        raise RequestFailed(f"{error['Message']} (Service: AmazonSNS; Status Code: {status}; "
                            f"Error Code: {error['Code']})", delivered=False)
    sns.publish_internal(topic["arn"], message, SUBJECT)
