"""Correction: a stack's TemplateURL may be any S3 URL, of a bucket in any account that lets the caller read."""

import re
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

from .wrapping import wrap

_PARAMETERS = ("params", "body_key", "url_key", "label")
_S3_HOST = re.compile(r"(?:(?P<bucket>[a-z0-9][a-z0-9.-]+)\.)?s3(?:[.-][a-z0-9-]+)?\.amazonaws\.com(?:\.cn)?")
_LOCAL_HOSTS = ("127.0.0.1", "localhost")


def apply():
    """Read templates as AWS does.

    AWS: with the caller's rights, over https, by host-style or path-style URL; a launch link makes a
    customer's CloudFormation read a template in the vendor's bucket. MiniStack looks in the caller's
    own account only, and knows path-style URLs only.
    """
    from ministack.services.cloudformation import helpers

    def make_wrapper(original):
        def resolve(params, body_key, url_key, label):
            url = helpers._p(params, url_key)
            if not url or helpers._p(params, body_key):
                return original(params, body_key, url_key, label)
            bucket, key = locate(url)
            if not bucket or not key:
                return None, helpers._error("ValidationError", f"{url_key} must be a supported URL.")
            return _read(bucket, key, lambda: original(
                {**params, url_key: f"https://s3.amazonaws.com/{bucket}/{key}"}, body_key, url_key, label))
        return resolve

    wrap(helpers, "_resolve_document", _PARAMETERS, make_wrapper)


def locate(url):
    """(bucket, key) of an S3 URL, host-style or path-style; an empty bucket when it is none.

    The local server's own address counts as a path-style host, and needs no https.
    """
    parts = urlsplit(url)
    path = unquote(parts.path).lstrip("/")
    host = _S3_HOST.fullmatch(parts.hostname or "")
    if parts.scheme == "https" and host and host["bucket"]:
        return host["bucket"], path
    if (parts.scheme == "https" and host) or parts.hostname in _LOCAL_HOSTS:
        bucket, _, key = path.partition("/")
        return bucket, key
    return "", ""


def _read(bucket, key, read):
    from ministack.core.responses import get_account_id, get_region, request_scope
    from ministack.services import s3
    from ministack.services.cloudformation import helpers

    caller = get_account_id()
    owner = s3._bucket_owner_account(bucket) or caller
    with _over_https():
        allowed = owner == caller or s3._foreign_bucket_allows(owner, bucket, key, "GET", {}, caller)
    if not allowed:
        return None, helpers._error("ValidationError", "S3 error: Access Denied")
    with request_scope(owner, get_region()):
        return read()


@contextmanager
def _over_https():
    """CloudFormation's own request to S3 is encrypted, which ``aws:SecureTransport`` may ask for."""
    from ministack.core import iam_evaluator

    origin = iam_evaluator._request_origin
    token = origin.set((origin.get()[0], True))
    try:
        yield
    finally:
        origin.reset(token)
