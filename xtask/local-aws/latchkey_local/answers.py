"""Answers to custom resource requests: waiting for them, and judging them as CloudFormation does."""

import json
import threading

# The largest body and the longest physical id that CloudFormation takes, in bytes.
MAXIMUM_BODY = 4096
MAXIMUM_PHYSICAL_ID = 1024


class InvalidAnswer(Exception):
    """The text is what CloudFormation shows as the reason."""


class Cancelled(Exception):
    """Nobody waits for this answer any longer; the text is the reason."""


class PendingAnswers:
    """The requests that wait for an answer, by the key of the S3 object that will hold it.

    Each waits in a thread of its own: MiniStack gives a custom resource one outside every pool.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._waiting = {}

    def expect(self, key):
        """Start to accept the answer ``key``; the first one counts, later ones are ignored."""
        waiter = _Waiter()
        with self._lock:
            self._waiting[key] = waiter
        return waiter

    def forget(self, key):
        """Accept the answer ``key`` no longer."""
        with self._lock:
            self._waiting.pop(key, None)

    def deliver(self, key, body):
        """Hand over the object that S3 accepted."""
        with self._lock:
            waiter = self._waiting.get(key)
        if waiter:
            waiter.settle(body=body)

    def cancel(self, stack_id, reason):
        """End the waiting of one stack's requests, or of all when ``stack_id`` is None."""
        with self._lock:
            waiters = [waiter for key, waiter in self._waiting.items()
                       if stack_id is None or key.startswith(f"{stack_id}|")]
        for waiter in waiters:
            waiter.settle(cancelled=reason)


class _Waiter:
    def __init__(self):
        self._lock = threading.Lock()
        self._settled = threading.Event()
        self._body = self._cancelled = None

    def settle(self, body=None, cancelled=None):
        with self._lock:
            if not self._settled.is_set():
                self._body, self._cancelled = body, cancelled
                self._settled.set()

    def wait(self, seconds):
        """The body of the first answer; None when none came in time."""
        self._settled.wait(seconds)
        with self._lock:
            if self._cancelled:
                raise Cancelled(self._cancelled)
            return self._body


def parse(body, request):
    """The answer as a dictionary; InvalidAnswer where CloudFormation would not accept it."""
    if len(body) > MAXIMUM_BODY:
        raise InvalidAnswer("Response object is too long.")
    try:
        answer = json.loads(body)
    except ValueError:
        raise InvalidAnswer("Invalid Response object: not a JSON document") from None
    if not isinstance(answer, dict):
        raise InvalidAnswer("Invalid Response object: not a JSON object")
    for field in ("Status", "PhysicalResourceId", "StackId", "RequestId", "LogicalResourceId"):
        if not isinstance(answer.get(field, ""), str):
            raise InvalidAnswer(f"Invalid {field}")
    if answer.get("Status") not in ("SUCCESS", "FAILED"):
        raise InvalidAnswer(f"Invalid Response object: '{answer.get('Status')}' is not a valid ResponseStatus")
    for field in ("StackId", "RequestId", "LogicalResourceId"):
        if answer.get(field) != request[field]:
            raise InvalidAnswer(f"Invalid {field}: it is not the one of the request")
    physical_id = answer.get("PhysicalResourceId", "")
    if not physical_id or len(physical_id.encode()) > MAXIMUM_PHYSICAL_ID:
        raise InvalidAnswer("Invalid PhysicalResourceId")
    if answer["Status"] == "FAILED" and not answer.get("Reason"):
        raise InvalidAnswer("Invalid Response object: Reason is required when Status is FAILED")
    if not isinstance(answer.get("Data") or {}, dict):
        raise InvalidAnswer("Invalid Data")
    return answer
