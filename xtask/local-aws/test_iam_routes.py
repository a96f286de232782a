"""Routes with IAM authorization let in who AWS lets in. Every test fails without its correction."""

import json
import unittest
from contextlib import closing
from http.client import HTTPConnection

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from selftest_support import VENDOR, LocalAws

AWS = LocalAws()


def setUpModule():
    AWS.start()


def tearDownModule():
    AWS.stop()


class IamRoutes(unittest.TestCase):
    """An HTTP API with one AWS_IAM route to a function."""

    @classmethod
    def setUpClass(cls):
        apis = AWS.client("apigatewayv2")
        cls.api = apis.create_api(Name="iam", ProtocolType="HTTP")["ApiId"]
        integration = apis.create_integration(
            ApiId=cls.api, IntegrationType="AWS_PROXY", IntegrationUri=AWS.function("iam-routes"),
            PayloadFormatVersion="2.0")["IntegrationId"]
        apis.create_route(ApiId=cls.api, RouteKey="GET /v1/{tenant}", AuthorizationType="AWS_IAM",
                          Target=f"integrations/{integration}")
        apis.create_stage(ApiId=cls.api, StageName="$default", AutoDeploy=True)
        session = AWS.role_session(VENDOR, "caller")
        cls.credentials = Credentials(session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])

    def call(self, headers):
        with closing(HTTPConnection("127.0.0.1", AWS.port, timeout=10)) as connection:
            connection.request("GET", self.path(), headers=headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    def path(self):
        return f"/_aws/execute-api/{self.api}/$default/v1/acme"

    def signed(self, service="execute-api", region="us-east-1"):
        request = AWSRequest("GET", f"http://127.0.0.1:{AWS.port}{self.path()}")
        SigV4Auth(self.credentials, service, region).add_auth(request)
        return dict(request.headers)

    def test_a_signed_request_reaches_the_function(self):
        status, answer = self.call(self.signed())
        self.assertEqual(status, 200)
        self.assertIn("process", answer)

    def test_what_is_not_signed_for_this_api_is_forbidden(self):
        signed = self.signed()
        forged = {**signed, "Authorization": signed["Authorization"][:-4] + "0000"}
        cases = [{}, forged, self.signed(service="lambda"), self.signed(region="eu-west-1")]
        cases += [{"Authorization": value} for value in ("", "Bearer eyJ", "Basic eDp5", "AWS4-HMAC-SHA256 ", "AWS4")]
        for headers in cases:
            with self.subTest(headers.get("Authorization")):
                self.assertEqual(self.call(headers), (403, {"message": "Forbidden"}))


if __name__ == "__main__":
    unittest.main()
