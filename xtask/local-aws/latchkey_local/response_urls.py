"""The pre-signed S3 URLs that CloudFormation takes answers on."""

import json
import threading
from datetime import datetime, timezone
from urllib.parse import quote

# How long CloudFormation's ResponseURLs are valid, in seconds.
VALIDITY = 7200

# Regions whose URLs were seen with a dash between "s3" and the region.
_DASHED = frozenset({"eu-west-1", "us-west-2", "ap-northeast-1", "ap-southeast-2"})
_BUCKET_PREFIX = "cloudformation-custom-resource-response-"
_SIGNER = "cloudformation-answers"
# AWS's older URLs sign an empty content-type: a PUT that sets one is refused.
_SIGNED_HEADERS = "content-type;host"


class ResponseUrls:
    """Makes the URLs, on buckets and with a signing key that it creates in CloudFormation's own account.

    The key is an IAM user's, as a 12-digit root key's secret is known to everyone.
    """

    def __init__(self, account):
        self._account = account
        self._lock = threading.Lock()

    @property
    def account(self):
        """The account that owns the buckets."""
        return self._account

    def url_for(self, stack, key):
        """An https URL that takes one PUT of the answer ``key`` (``StackId|LogicalResourceId|RequestId``)."""
        bucket = bucket_name(stack.region)
        with self._lock:
            self._ensure_bucket(bucket, stack.region)
            access_key, secret = self._ensure_signer()
        host, path = bucket_host(stack.region), "/" + quote(key, safe="/")
        return f"https://{host}{path}?{_signed_query(host, path, stack.region, access_key, secret)}"

    def _ensure_bucket(self, name, region):
        from ministack.core.responses import request_scope
        from ministack.services import s3

        with request_scope(self._account, region):
            if name not in s3._buckets:
                status, _, _ = s3._create_bucket(name, b"")
                if status != 200:
                    raise RuntimeError(f"the answer bucket {name} could not be created")

    def _ensure_signer(self):
        """The signing user's key; made again after MiniStack was reset."""
        from ministack.core.responses import request_scope
        from ministack.services import iam

        with request_scope(self._account, "us-east-1"):
            user = {"UserName": _SIGNER}
            if _SIGNER not in iam._users:
                iam._create_user(user)
                iam._put_user_policy({**user, "PolicyName": "answers", "PolicyDocument": json.dumps({
                    "Version": "2012-10-17",
                    "Statement": [{"Effect": "Allow", "Action": "s3:PutObject",
                                   "Resource": f"arn:aws:s3:::{_BUCKET_PREFIX}*/*"}]})})
                iam._create_access_key(user)
            return next((record["AccessKeyId"], record["SecretAccessKey"])
                        for record in iam._access_keys.values() if record["UserName"] == _SIGNER)


def bucket_name(region):
    """AWS: the region without its dashes is the end of the bucket's name."""
    return _BUCKET_PREFIX + region.replace("-", "")


def bucket_host(region):
    """The host of the region's bucket, in the form that was seen there."""
    if region == "us-east-1":
        endpoint = "s3"
    elif region in _DASHED:
        endpoint = f"s3-{region}"
    else:
        endpoint = f"s3.{region}"
    return f"{bucket_name(region)}.{endpoint}.amazonaws.com"


def _signed_query(host, path, region, access_key, secret):
    """The query string of a SigV4 pre-signed PUT, its parameters in AWS's order."""
    from ministack.core import sigv4

    now = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    day = now[:8]
    parameters = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Date": now,
        "X-Amz-SignedHeaders": _SIGNED_HEADERS,
        "X-Amz-Expires": str(VALIDITY),
        "X-Amz-Credential": f"{access_key}/{day}/{region}/s3/aws4_request",
    }
    canonical = "\n".join([
        "PUT", path, sigv4.build_canonical_query_string(parameters),
        sigv4.build_canonical_headers({"host": host}, _SIGNED_HEADERS), _SIGNED_HEADERS, sigv4.UNSIGNED_PAYLOAD])
    to_sign = sigv4.build_string_to_sign(now, day, region, "s3", canonical)
    parameters["X-Amz-Signature"] = sigv4.calculate_signature(secret, day, region, "s3", to_sign)
    return "&".join(f"{name}={sigv4.uri_encode(value)}" for name, value in parameters.items())
