"""Correction: a route with AWS_IAM lets nobody in without a signature for execute-api."""

import json

from .wrapping import wrap

FORBIDDEN = (403, {"Content-Type": "application/json"}, json.dumps({"message": "Forbidden"}).encode())
PARAMETERS = ("api_id", "stage", "method", "execute_path", "headers", "query_params", "iam_action")


def apply():
    """AWS: what is not signed by SigV4, for execute-api and in the API's region, is refused like what IAM denies.

    MiniStack lets in any other Authorization header, such as a Bearer token, without a caller.
    """
    from ministack import app
    from ministack.services import apigateway

    def is_signed(api_id, headers):
        authorization = headers.get("authorization", "")
        scope = authorization.partition("Credential=")[2].partition(",")[0].split("/")
        _, region = apigateway.find_api_scope(api_id)
        return authorization.startswith("AWS4-HMAC-SHA256 ") and scope[2:4] == [region, "execute-api"]

    def make_wrapper(original):
        def enforce(api_id, stage, method, execute_path, headers, query_params, iam_action="execute-api:Invoke"):
            arguments = (api_id, stage, method, execute_path, headers, query_params, iam_action)
            if apigateway.route_authorization_type(api_id, stage, method, execute_path) != "AWS_IAM":
                return original(*arguments)
            return FORBIDDEN if not is_signed(api_id, headers) or original(*arguments) else None
        return enforce

    wrap(app, "_enforce_execute_api", PARAMETERS, make_wrapper)
