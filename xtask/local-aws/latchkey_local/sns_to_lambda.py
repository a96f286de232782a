"""Correction: what SNS hands to a Lambda function, and how often."""

import contextvars
import json
import threading
import time

from .wrapping import wrap

# How often a function that is switched off is looked at again, and one whose concurrency others use, in seconds.
_PAUSE = 0.2
# AWS: the age at which an asynchronous event is given up, unless the function says otherwise, in seconds.
_LONGEST_AGE = 21600

# Whether what is invoked right now came from a topic, and has not been let through yet.
_waits = contextvars.ContextVar("waits", default=False)
_turnstiles = {}
_turnstiles_lock = threading.Lock()

_PARAMETERS = ("endpoint", "envelope", "topic_arn", "sub_arn", "msg_id", "raw_message", "message_attributes")


def apply():
    """Deliver from SNS to Lambda as AWS does.

    AWS: the record spells ``SigningCertUrl`` and ``UnsubscribeUrl``, and always has ``Subject`` and
    ``MessageAttributes``; the invocation is asynchronous, so it is retried twice after a function
    error and then goes to the function's dead-letter queue. MiniStack uses the spelling of
    HTTP deliveries and tries once.

    AWS: an event that finds the function's reserved concurrency used up, or set to zero, waits and comes
    again until it is too old; that is no failure, and counts as no retry. MiniStack takes it for one.
    """
    from ministack.services import lambda_svc, sns

    def make_wrapper(original):
        def deliver(endpoint, envelope, topic_arn, sub_arn, msg_id, raw_message, message_attributes):
            function, config, _ = lambda_svc._get_func_record_for_ref(endpoint)
            if not function or not config:
                return
            # The thread of the invocation inherits it.
            _waits.set(True)
            lambda_svc.invoke_async_with_retry(
                lambda_svc._execution_record_for_config(function, config),
                {"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": sub_arn,
                              "Sns": _lambda_record(json.loads(envelope))}]})
        return deliver

    def execute_wrapper(original):
        def execute(func, event):
            if not _waits.get():
                return original(func, event)
            # MiniStack calls this function again from within.
            _waits.set(False)
            try:
                return _in_turn(original, func, event)
            finally:
                _waits.set(True)
        return execute

    wrap(lambda_svc, "_execute_function", ("func", "event"), execute_wrapper)
    wrap(sns, "_deliver_to_lambda", _PARAMETERS, make_wrapper)


def _lambda_record(envelope):
    record = {"Subject": None, "MessageAttributes": {}, **envelope}
    record["SigningCertUrl"] = record.pop("SigningCertURL")
    record["UnsubscribeUrl"] = record.pop("UnsubscribeURL")
    return record


def _in_turn(execute, func, event):
    """Execute when the function's reserved concurrency has room, in about the order of asking."""
    from ministack.services import lambda_svc

    arn = (func.get("config") or func)["FunctionArn"]
    age = int((func.get("event_invoke_config") or {}).get("MaximumEventAgeInSeconds", _LONGEST_AGE))
    give_up_at = time.time() + age
    with _turnstiles_lock:
        turnstile = _turnstiles.setdefault(arn, _Turnstile())
    while True:
        turnstile.enter(lambda: _reserved(lambda_svc, arn), give_up_at)
        try:
            # The record of now: its concurrency may be another one than when the message was published.
            current, config, _ = lambda_svc._get_func_record_for_ref(arn)
            if current is None:
                return execute(func, event)
            result = execute(lambda_svc._execution_record_for_config(current, config), event)
        finally:
            turnstile.leave()
        if not result.get("throttle") or time.time() > give_up_at:
            return result
        # Others, who do not stand in this queue, use the function as well.
        time.sleep(_PAUSE)


def _reserved(lambda_svc, arn):
    function, config, _ = lambda_svc._get_func_record_for_ref(arn)
    return None if function is None else lambda_svc._reserved_concurrency(function, config)


class _Turnstile:
    """Lets as many through at a time as a function may have at work."""

    def __init__(self):
        self._inside = 0
        self._changed = threading.Condition()

    def enter(self, limit, give_up_at):
        """Wait until there is room; ``limit`` gives the most at a time, or None for as many as come."""
        with self._changed:
            while time.time() < give_up_at:
                most = limit()
                if most is None or self._inside < most:
                    break
                # Whoever leaves wakes one; where nobody is inside, only a look tells that it is open again.
                self._changed.wait(None if self._inside else _PAUSE)
            self._inside += 1

    def leave(self):
        """Make room for the next one."""
        with self._changed:
            self._inside -= 1
            self._changed.notify()
