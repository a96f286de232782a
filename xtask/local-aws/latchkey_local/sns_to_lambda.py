"""Correction: what SNS hands to a Lambda function, and how often."""

import json

from .wrapping import wrap

_PARAMETERS = ("endpoint", "envelope", "topic_arn", "sub_arn", "msg_id", "raw_message", "message_attributes")


def apply():
    """Deliver from SNS to Lambda as AWS does.

    AWS: the record spells ``SigningCertUrl`` and ``UnsubscribeUrl``, and always has ``Subject`` and
    ``MessageAttributes``; the invocation is asynchronous, so it is retried twice after a function
    error and then goes to the function's dead-letter queue. MiniStack uses the spelling of
    HTTP deliveries and tries once.
    """
    from ministack.services import lambda_svc, sns

    def make_wrapper(original):
        def deliver(endpoint, envelope, topic_arn, sub_arn, msg_id, raw_message, message_attributes):
            function, config, _ = lambda_svc._get_func_record_for_ref(endpoint)
            if not function or not config:
                return
            lambda_svc.invoke_async_with_retry(
                lambda_svc._execution_record_for_config(function, config),
                {"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": sub_arn,
                              "Sns": _lambda_record(json.loads(envelope))}]})
        return deliver

    wrap(sns, "_deliver_to_lambda", _PARAMETERS, make_wrapper)


def _lambda_record(envelope):
    record = {"Subject": None, "MessageAttributes": {}, **envelope}
    record["SigningCertUrl"] = record.pop("SigningCertURL")
    record["UnsubscribeUrl"] = record.pop("UnsubscribeURL")
    return record
