"""The local AWS behaves as AWS does where we corrected it. Every test fails without its correction."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import types
import unittest
from pathlib import Path
from urllib.parse import unquote, urlsplit

from botocore.exceptions import ClientError

from latchkey_local.processes import descendants
from latchkey_local.wrapping import MiniStackChanged, wrap
from selftest_support import (CLOUDFORMATION, CUSTOMER, LAUNCHER, VENDOR, Listener, LocalAws, Stack, free_port,
                              open_topic, running, wait_until)

AWS = LocalAws()
INVENTED = r"^{stack}_Connection_[A-Z0-9]{{12}}$"


def setUpModule():
    AWS.start()


def tearDownModule():
    AWS.stop()


class TestCase(unittest.TestCase):
    """A test with names of its own."""

    def setUp(self):
        self.name = re.sub("[^a-z]+", "-", self._testMethodName.removeprefix("test_"))[:40].strip("-")

    def stack(self, suffix="", **options):
        return Stack(AWS, self.name + suffix, **options)

    def listener(self, **options):
        return Listener(AWS, self.name, **options)

    def wait_until_deleted(self, stack_id):
        stacks = AWS.client("cloudformation", CUSTOMER, "eu-west-1")
        wait_until(lambda: stacks.describe_stacks(StackName=stack_id)["Stacks"][0]["StackStatus"] == "DELETE_COMPLETE",
                   "deletion")


class TopicPolicies(TestCase):
    """How many accounts a topic lets in."""

    def test_a_topic_takes_a_hundred_statements_and_no_more(self):
        sns = AWS.client("sns", VENDOR, "eu-west-1")
        topic = sns.create_topic(Name=self.name)["TopicArn"]
        policy = lambda: json.loads(sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"])
        # The owner's own statement is there already.
        for number in range(100 - len(policy()["Statement"])):
            sns.add_permission(TopicArn=topic, Label=f"l{number}", AWSAccountId=[CUSTOMER], ActionName=["Publish"])
        full = policy()
        self.assertEqual(len(full["Statement"]), 100)
        with self.assertRaises(ClientError) as refused:
            sns.add_permission(TopicArn=topic, Label="more", AWSAccountId=[CUSTOMER], ActionName=["Publish"])
        self.assertEqual(refused.exception.response["Error"]["Code"], "InvalidParameter")
        self.assertEqual(policy(), full)
        sns.remove_permission(TopicArn=topic, Label="l0")
        sns.add_permission(TopicArn=topic, Label="more", AWSAccountId=[CUSTOMER], ActionName=["Publish"])

    def test_a_topic_lets_in_no_account_that_does_not_exist(self):
        sns = AWS.client("sns", VENDOR, "eu-west-1")
        topic = sns.create_topic(Name=self.name)["TopicArn"]
        policy = lambda: sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"]
        before = policy()
        with self.assertRaises(ClientError) as refused:
            sns.add_permission(TopicArn=topic, Label="l", AWSAccountId=["000012345678"], ActionName=["Publish"])
        self.assertEqual(refused.exception.response["Error"]["Code"], "InvalidParameter")
        self.assertEqual(policy(), before)

    def test_a_topic_s_policy_ends_at_30_kilobytes(self):
        sns = AWS.client("sns", VENDOR, "eu-west-1")
        topic = sns.create_topic(Name=self.name)["TopicArn"]
        accounts = [f"{number:012d}" for number in range(100000000000, 100000000200)]
        with self.assertRaises(ClientError):
            for number in range(50):
                sns.add_permission(TopicArn=topic, Label=f"l{number}", AWSAccountId=accounts, ActionName=["Publish"])
        policy = sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"]
        self.assertLessEqual(len(policy), 30 * 1024)


class Principals(TestCase):
    """aws:PrincipalArn in a customer's trust policy."""

    def assume(self, credentials, condition, **parameters):
        """Assume a new role of the customer with the vendor's credentials."""
        iam = AWS.client("iam", CUSTOMER)
        trust = {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{VENDOR}:root"}, "Action": "sts:AssumeRole",
            "Condition": condition}]}
        name = f"{self.name[:40]}-{time.monotonic_ns() % 10**9}"
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
        sts = AWS.client_with("sts", "us-east-1", **credentials)
        return sts.assume_role(RoleArn=role["Arn"], RoleSessionName="probe", **parameters)

    def assert_denied(self, *arguments, **parameters):
        with self.assertRaises(ClientError) as refused:
            self.assume(*arguments, **parameters)
        self.assertEqual(refused.exception.response["Error"]["Code"], "AccessDenied")
        self.assertEqual(refused.exception.response["ResponseMetadata"]["HTTPStatusCode"], 403)

    def test_a_role_session_is_known_by_its_roles_arn_and_external_id(self):
        credentials = AWS.role_session(VENDOR, "verifier", path="/latchkey/prod/")
        condition = {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{VENDOR}:role/latchkey/*"},
                     "StringEquals": {"sts:ExternalId": "right-one"}}
        self.assume(credentials, condition, ExternalId="right-one")
        self.assert_denied(credentials, condition, ExternalId="wrong-one")
        self.assert_denied(credentials, condition, ExternalId="Right-One")
        self.assert_denied(credentials, condition)
        other_path = {**condition, "ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{VENDOR}:role/other/*"}}
        self.assert_denied(credentials, other_path, ExternalId="right-one")
        session = {"ArnLike": {"aws:PrincipalArn": f"arn:aws:sts::{VENDOR}:assumed-role/verifier/*"}}
        self.assert_denied(credentials, session)

    def test_the_root_user_is_known_by_the_accounts_root_arn(self):
        root = {"AccessKeyId": VENDOR, "SecretAccessKey": "test"}
        self.assume(root, {"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{VENDOR}:root"}})


class BatchActions(TestCase):
    """batch_actions"""

    def test_a_policy_for_the_single_call_allows_the_batch_and_no_other_call(self):
        queue = AWS.client("sqs").create_queue(QueueName="batches")["QueueUrl"]
        iam = AWS.client("iam")
        session = AWS.role_session(VENDOR, "sender")
        policy = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}]}
        for attached in iam.list_role_policies(RoleName="sender")["PolicyNames"]:
            iam.delete_role_policy(RoleName="sender", PolicyName=attached)
        iam.put_role_policy(RoleName="sender", PolicyName="send", PolicyDocument=json.dumps(policy))
        sqs = AWS.client_with("sqs", "us-east-1", **session)
        sent = sqs.send_message_batch(QueueUrl=queue, Entries=[{"Id": "1", "MessageBody": "x"}])
        self.assertEqual(len(sent["Successful"]), 1)
        with self.assertRaisesRegex(ClientError, "AccessDenied"):
            sqs.delete_message_batch(QueueUrl=queue, Entries=[{"Id": "1", "ReceiptHandle": "x"}])


class Simulations(TestCase):
    """simulations"""

    def test_a_role_may_simulate_itself_and_nobody_else_by_a_policy_for_itself(self):
        session = AWS.role_session(VENDOR, "looker", path="/some/path/")
        iam = AWS.client("iam")
        role = iam.get_role(RoleName="looker")["Role"]["Arn"]
        other = iam.create_role(RoleName="other", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        for attached in iam.list_role_policies(RoleName="looker")["PolicyNames"]:
            iam.delete_role_policy(RoleName="looker", PolicyName=attached)
        policy = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ["iam:GetRole", "iam:SimulatePrincipalPolicy"], "Resource": role}]}
        iam.put_role_policy(RoleName="looker", PolicyName="look", PolicyDocument=json.dumps(policy))
        as_role = AWS.client_with("iam", "us-east-1", **session)

        def decisions(arn):
            results = as_role.simulate_principal_policy(
                PolicySourceArn=arn, ActionNames=["iam:SimulatePrincipalPolicy", "s3:GetObject"], ResourceArns=[role])
            return {result["EvalActionName"]: result["EvalDecision"] for result in results["EvaluationResults"]}

        self.assertEqual(decisions(role), {"iam:SimulatePrincipalPolicy": "allowed", "s3:GetObject": "implicitDeny"})
        with self.assertRaisesRegex(ClientError, "AccessDenied"):
            decisions(other)
        self.assertEqual(as_role.get_role(RoleName="looker")["Role"]["Arn"], role)
        with self.assertRaisesRegex(ClientError, "AccessDenied"):
            as_role.get_role(RoleName="other")


class Requests(TestCase):
    """What CloudFormation sends over SNS, and where."""

    def test_the_request_is_aws_shaped(self):
        listener, stack = self.listener(), self.stack()
        stack.create(listener.topic, Count=3, Flag=True, List=[1, {"Deep": False}], ServiceTimeout=60)
        envelope = listener.envelope()
        self.assertEqual(envelope["Subject"], "AWS CloudFormation custom resource request")
        self.assertEqual(envelope["TopicArn"], listener.topic)
        request = json.loads(envelope["Message"])
        self.assertEqual(set(request), {"RequestType", "ServiceToken", "ResponseURL", "StackId", "RequestId",
                                        "LogicalResourceId", "ResourceType", "ResourceProperties", "ServiceTimeout"})
        self.assertEqual((request["RequestType"], request["LogicalResourceId"], request["ResourceType"]),
                         ("Create", "Connection", "Custom::LatchkeyConnection"))
        self.assertEqual((request["ServiceToken"], request["ServiceTimeout"]), (listener.topic, "60"))
        self.assertEqual(request["ResourceProperties"], {
            "ServiceToken": listener.topic, "Count": "3", "Flag": "true", "List": ["1", {"Deep": "false"}],
            "ServiceTimeout": "60"})
        self.assertRegex(request["StackId"], f"^arn:aws:cloudformation:eu-west-1:{CUSTOMER}:stack/{self.name}/")
        self.assertEqual(listener.answer(request, Data={"Token": "x"}), 200)
        stack.wait_for("CREATE_COMPLETE")
        stack.delete()
        deletion = listener.request("Delete")
        self.assertEqual(set(deletion) - set(request), {"PhysicalResourceId"})
        self.assertEqual(deletion["PhysicalResourceId"], "connection-1")
        self.assertNotEqual(deletion["RequestId"], request["RequestId"])
        listener.answer(deletion)
        self.wait_until_deleted(request["StackId"])

    def test_answers_are_taken_on_every_host_form(self):
        for region, host in (
                ("us-east-1", "cloudformation-custom-resource-response-useast1.s3.amazonaws.com"),
                ("ap-southeast-2", "cloudformation-custom-resource-response-apsoutheast2.s3-ap-southeast-2.amazonaws.com"),
                ("eu-central-1", "cloudformation-custom-resource-response-eucentral1.s3.eu-central-1.amazonaws.com")):
            with self.subTest(region=region):
                listener, stack = self.listener(region=region), self.stack(region=region)
                request = (stack.create(listener.topic), listener.request("Create"))[1]
                url = urlsplit(request["ResponseURL"])
                self.assertEqual((url.scheme, url.netloc), ("https", host))
                self.assertEqual(unquote(url.path), f"/{request['StackId']}|Connection|{request['RequestId']}")
                self.assertRegex(url.path, rf"^/arn%3Aaws%3Acloudformation%3A{region}%3A{CUSTOMER}%3Astack/"
                                           rf"{self.name}/[0-9a-f-]{{36}}%7CConnection%7C[0-9a-f-]{{36}}$")
                self.assertIn("X-Amz-Expires=7200", url.query)
                self.assertEqual(listener.answer(request), 200)
                stack.wait_for("CREATE_COMPLETE")

    def test_an_answer_is_refused_with_403_unless_it_is_exactly_as_signed(self):
        listener, stack = self.listener(), self.stack()
        stack.create(listener.topic)
        request = listener.request("Create")
        url = request["ResponseURL"]
        other_key = url.replace("%7CConnection%7C", "%7COther%7C")
        flipped = url[:-1] + ("0" if url[-1] != "0" else "1")
        # S3 answers 400 to a query that lacks one of the signature's parameters.
        self.assertEqual(listener.answer(request, url=url.partition("&X-Amz-Signature")[0]), 400)
        attempts = {
            "signature": {"url": flipped},
            "key": {"url": other_key},
            "longer validity": {"url": url.replace("X-Amz-Expires=7200", "X-Amz-Expires=72000")},
            "expired": {"url": re.sub("X-Amz-Date=2", "X-Amz-Date=1", url)},
            "no query": {"url": url.partition("?")[0]},
            "other host form": {"url": url.replace(".s3-eu-west-1.", ".s3.eu-west-1.")},
            "other region": {"url": url.replace("euwest1.s3-eu-west-1", "uswest2.s3-us-west-2")},
            "content type": {"headers": {"Content-Type": "application/json"}},
            "path style": {"headers": {"Host": f"127.0.0.1:{AWS.port}"},
                           "url": url.replace(".com/", ".com/cloudformation-custom-resource-response-euwest1/")},
        }
        for name, attempt in attempts.items():
            with self.subTest(name):
                self.assertEqual(listener.answer(request, **attempt), 403)
        self.assertEqual(stack.events()[-1][:2], ("Connection", "CREATE_IN_PROGRESS"))
        self.assertEqual(listener.answer(request, headers={"Content-Type": ""}), 200)
        stack.wait_for("CREATE_COMPLETE")

    def test_an_expired_url_is_refused_with_403(self):
        s3 = AWS.client_with("s3", "us-east-1", AccessKeyId=CLOUDFORMATION, SecretAccessKey="test")
        s3.create_bucket(Bucket="expiring")
        url = urlsplit(s3.generate_presigned_url("put_object", {"Bucket": "expiring", "Key": "k"}, ExpiresIn=1))
        target = f"{url.path}?{url.query}"
        self.assertEqual(AWS.request("PUT", target, "x", {"Host": url.netloc}), 200)
        time.sleep(2)
        self.assertEqual(AWS.request("PUT", target, "x", {"Host": url.netloc}), 403)

    def test_a_publish_that_the_topic_policy_forbids_fails_the_stack(self):
        topic = open_topic(AWS, self.name, "eu-west-1", principal="arn:aws:iam::333333333333:root")
        stack = self.stack().create(topic)
        self.assertIn("is not authorized to perform: sns:Publish", stack.reason("CREATE_FAILED"))
        stack.wait_for("ROLLBACK_COMPLETE")

    def test_a_missing_topic_and_one_in_another_region_fail_the_stack(self):
        elsewhere = self.stack("-a").create(open_topic(AWS, self.name, "us-east-1"))
        self.assertIn("must be in the region of the stack", elsewhere.reason("CREATE_FAILED"))
        missing = self.stack("-b").create(f"arn:aws:sns:eu-west-1:{VENDOR}:missing")
        self.assertIn("Topic does not exist", missing.reason("CREATE_FAILED"))

    def test_the_request_is_published_as_the_caller_in_the_stacks_account(self):
        listener = self.listener()
        AWS.client("sns", VENDOR, "eu-west-1").set_topic_attributes(
            TopicArn=listener.topic, AttributeName="Policy", AttributeValue=json.dumps({
                "Version": "2012-10-17", "Statement": [{
                    "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sns:Publish", "Resource": listener.topic,
                    "Condition": {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{CUSTOMER}:role/deploy/*"},
                                  "StringEquals": {"aws:PrincipalAccount": CUSTOMER}}}]}))
        credentials = AWS.role_session(CUSTOMER, "deployer", path="/deploy/")
        stack = self.stack(client=AWS.client_with("cloudformation", "eu-west-1", **credentials)).create(listener.topic)
        listener.answer(listener.request("Create"))
        stack.wait_for("CREATE_COMPLETE")
        self.assertIn("not authorized", self.stack("-by-root").create(listener.topic).reason("CREATE_FAILED"))


class Answers(TestCase):
    """Which answers CloudFormation accepts."""

    def test_an_invalid_answer_fails_the_resource(self):
        listener = self.listener()
        answers = {
            "Response object is too long": {"Data": {"Long": "x" * 4096}},
            "not a JSON document": {"body": "SUCCESS"},
            "not a JSON object": {"body": "[]"},
            "'DONE' is not a valid ResponseStatus": {"Status": "DONE"},
            "Invalid StackId": {"StackId": "arn:aws:cloudformation:eu-west-1:1:stack/x/y"},
            "Invalid RequestId": {"RequestId": "another"},
            "Invalid LogicalResourceId": {"LogicalResourceId": "Another"},
            "Invalid PhysicalResourceId": {"PhysicalResourceId": ""},
            "Invalid PhysicalResourceId ": {"PhysicalResourceId": "ü" * 513},
            "Reason is required": {"Status": "FAILED"},
        }
        stacks = []
        for number, (reason, answer) in enumerate(answers.items()):
            stacks.append((self.stack(f"-{number}").create(listener.topic), reason.strip()))
            self.assertEqual(listener.answer(listener.request("Create"), **answer), 200)
            deletion = listener.request("Delete")
            self.assertRegex(deletion["PhysicalResourceId"], INVENTED.format(stack=stacks[-1][0].name))
            listener.answer(deletion)
        for stack, reason in stacks:
            with self.subTest(reason):
                self.assertIn(reason, stack.reason("CREATE_FAILED"))
                stack.wait_for("ROLLBACK_COMPLETE")

    def test_the_longest_valid_answer_is_accepted_and_the_first_one_counts(self):
        listener, stack = self.listener(), self.stack()
        stack.create(listener.topic)
        request = listener.request("Create")
        body = json.dumps({"Status": "SUCCESS", "PhysicalResourceId": "p" * 1024,
                           **{key: request[key] for key in ("StackId", "RequestId", "LogicalResourceId")}})
        self.assertEqual(listener.answer(request, body=body.ljust(4096)), 200)
        listener.answer(request, Status="FAILED", Reason="too late")
        stack.wait_for("CREATE_COMPLETE")

    def test_an_answer_after_a_reset_still_has_a_bucket_and_a_key_to_go_to(self):
        with_reset = LocalAws().start()
        self.addCleanup(with_reset.stop)
        for _ in range(2):
            listener = Listener(with_reset, self.name)
            stack = Stack(with_reset, self.name).create(listener.topic)
            self.assertEqual(listener.answer(listener.request("Create")), 200)
            stack.wait_for("CREATE_COMPLETE")
            self.assertEqual(with_reset.request("POST", "/_ministack/reset"), 200)


class Rollbacks(TestCase):
    """What a custom resource is asked to undo."""

    def test_a_failed_create_shows_its_reason_and_is_deleted_once(self):
        listener, stack = self.listener(), self.stack()
        stack.create(listener.topic)
        request = listener.request("Create")
        listener.answer(request, Status="FAILED", Reason="The role refused us.", PhysicalResourceId="from-failure")
        deletion = listener.request("Delete")
        self.assertEqual(deletion["PhysicalResourceId"], "from-failure")
        self.assertEqual(deletion["ResourceProperties"], request["ResourceProperties"])
        self.assertNotIn("OldResourceProperties", deletion)
        listener.answer(deletion)
        stack.wait_for("ROLLBACK_COMPLETE")
        self.assertEqual(stack.reason("CREATE_FAILED"),
                         "Received response status [FAILED] from custom resource. Message returned: "
                         f"The role refused us. (RequestId: {request['RequestId']})")
        with self.assertRaisesRegex(ClientError, "AlreadyExistsException"):
            stack.create(listener.topic)
        stack.delete()
        self.wait_until_deleted(request["StackId"])
        self.assertTrue(listener.silent())
        stack.create(listener.topic)
        listener.request("Create")

    def test_without_rollback_the_delete_comes_with_the_stacks_deletion(self):
        listener, stack = self.listener(), self.stack()
        stack.create(listener.topic, options={"OnFailure": "DO_NOTHING"})
        listener.answer(listener.request("Create"), Status="FAILED", Reason="no", PhysicalResourceId="kept")
        stack.wait_for("CREATE_FAILED")
        self.assertTrue(listener.silent())
        stack.delete()
        self.assertEqual(listener.request("Delete")["PhysicalResourceId"], "kept")

    def test_a_create_without_an_answer_times_out_and_is_deleted_under_an_invented_id(self):
        listener, stack = self.listener(), self.stack()
        stack.create(listener.topic, ServiceTimeout=1)
        listener.request("Create")
        deletion = listener.request("Delete")
        self.assertRegex(deletion["PhysicalResourceId"], INVENTED.format(stack=self.name))
        self.assertIn("did not receive a response", stack.reason("CREATE_FAILED"))
        listener.answer(deletion)
        stack.wait_for("ROLLBACK_COMPLETE")

    def test_a_failed_sibling_deletes_a_created_resource(self):
        listener, stack = self.listener(), self.stack()
        broken = {"Broken": {"Type": "AWS::SNS::Subscription", "DependsOn": "Connection",
                             "Properties": {"TopicArn": {"Fn::GetAtt": ["Connection", "Missing"]},
                                            "Protocol": "sqs", "Endpoint": "x"}}}
        stack.create(listener.topic, broken)
        listener.answer(listener.request("Create"), PhysicalResourceId="was-created")
        self.assertEqual(listener.request("Delete")["PhysicalResourceId"], "was-created")

    def test_a_failed_rollback_delete_is_tried_again_with_the_stacks_deletion(self):
        listener, stack = self.listener(), self.stack()
        stack.create(listener.topic)
        listener.answer(listener.request("Create"), Status="FAILED", Reason="no", PhysicalResourceId="stuck")
        listener.answer(listener.request("Delete"), Status="FAILED", Reason="not now")
        stack.wait_for("ROLLBACK_FAILED")
        self.assertIn("Message returned: not now", stack.reason("DELETE_FAILED"))
        stack.delete()
        deletion = listener.request("Delete")
        self.assertEqual(deletion["PhysicalResourceId"], "stuck")
        listener.answer(deletion)

    def test_deleting_a_stack_in_creation_abandons_the_create_and_sends_one_delete(self):
        listener, stack = self.listener(), self.stack()
        stack.create(listener.topic)
        creation = listener.request("Create")
        stack.delete()
        stack.delete()
        deletion = listener.request("Delete")
        self.assertRegex(deletion["PhysicalResourceId"], INVENTED.format(stack=self.name))
        self.assertEqual(listener.answer(creation), 200)
        self.assertTrue(listener.silent())
        listener.answer(deletion)
        self.wait_until_deleted(creation["StackId"])


class Updates(TestCase):
    """Updating a stack that holds a connection."""

    def setUp(self):
        super().setUp()
        self.connections, self.updated = self.listener(), self.stack()
        self.updated.create(self.connections.topic, Version="1")
        self.connections.answer(self.connections.request("Create"), PhysicalResourceId="old")
        self.updated.wait_for("CREATE_COMPLETE")

    def test_no_request_comes_when_no_property_changed(self):
        self.updated.update(self.connections.topic, {"Other": {"Type": "AWS::SNS::Topic"}}, Version="1")
        self.updated.wait_for("UPDATE_COMPLETE")
        self.assertTrue(self.connections.silent())

    def test_a_changed_property_comes_with_the_old_ones(self):
        self.updated.update(self.connections.topic, Version="2")
        request = self.connections.request("Update")
        self.assertEqual(request["PhysicalResourceId"], "old")
        self.assertEqual(request["ResourceProperties"]["Version"], "2")
        self.assertEqual(request["OldResourceProperties"],
                         {"ServiceToken": self.connections.topic, "Version": "1"})
        self.connections.answer(request)
        self.updated.wait_for("UPDATE_COMPLETE")
        self.assertTrue(self.connections.silent())

    def test_a_new_physical_id_is_followed_by_a_delete_of_the_old_one(self):
        self.updated.update(self.connections.topic, Version="2")
        self.connections.answer(self.connections.request("Update"), PhysicalResourceId="new")
        deletion = self.connections.request("Delete")
        self.assertEqual((deletion["PhysicalResourceId"], deletion["ResourceProperties"]["Version"]), ("old", "1"))
        self.connections.answer(deletion)
        self.updated.wait_for("UPDATE_COMPLETE")
        self.updated.delete()
        self.assertEqual(self.connections.request("Delete")["PhysicalResourceId"], "new")

    def test_a_failed_update_is_updated_back(self):
        self.updated.update(self.connections.topic, Version="2")
        self.connections.answer(self.connections.request("Update"), Status="FAILED", Reason="Not that version.")
        back = self.connections.request("Update")
        self.assertEqual((back["PhysicalResourceId"], back["ResourceProperties"]["Version"],
                          back["OldResourceProperties"]["Version"]), ("old", "1", "2"))
        self.connections.answer(back)
        self.updated.wait_for("UPDATE_ROLLBACK_COMPLETE")
        self.assertIn("Message returned: Not that version.", self.updated.reason("UPDATE_FAILED"))
        self.assertTrue(self.connections.silent())

    def test_a_resource_that_a_failed_update_added_is_deleted(self):
        second = {"Second": {"Type": "Custom::LatchkeyConnection", "DependsOn": "Connection",
                             "Properties": {"ServiceToken": self.connections.topic}}}
        self.updated.update(self.connections.topic, second, Version="1")
        self.connections.answer(self.connections.request("Create"), Status="FAILED", Reason="no",
                                PhysicalResourceId="second")
        deletion = self.connections.request("Delete")
        self.assertEqual((deletion["LogicalResourceId"], deletion["PhysicalResourceId"]), ("Second", "second"))
        self.connections.answer(deletion)
        self.updated.wait_for("UPDATE_ROLLBACK_COMPLETE")

    def test_the_service_token_cannot_be_changed(self):
        self.updated.update(open_topic(AWS, self.name + "-other", "eu-west-1"), Version="1")
        self.assertIn("Modifying service token is not allowed", self.updated.reason("UPDATE_FAILED"))
        self.updated.wait_for("UPDATE_ROLLBACK_COMPLETE")
        self.assertTrue(self.connections.silent())


class TemplateUrls(TestCase):
    """Templates in the vendor's bucket."""

    def setUp(self):
        super().setUp()
        s3 = AWS.client("s3")
        self.bucket = f"templates-{time.monotonic_ns()}"
        s3.create_bucket(Bucket=self.bucket)
        for key in ("published/v1.json", "private.json"):
            s3.put_object(Bucket=self.bucket, Key=key, Body=b'{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}')
        s3.put_public_access_block(Bucket=self.bucket, PublicAccessBlockConfiguration={
            "BlockPublicPolicy": False, "RestrictPublicBuckets": False})
        s3.put_bucket_policy(Bucket=self.bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{self.bucket}/published/*",
            "Condition": {"Bool": {"aws:SecureTransport": "true"}}}]}))

    def create(self, suffix, url):
        stacks = AWS.client("cloudformation", CUSTOMER, "eu-west-1")
        stacks.create_stack(StackName=self.name + suffix, TemplateURL=url)
        self.stack(suffix).wait_for("CREATE_COMPLETE")

    def test_a_customer_launches_a_published_template_by_every_form_of_its_url(self):
        for number, url in enumerate((
                f"https://{self.bucket}.s3.amazonaws.com/published/v1.json",
                f"https://{self.bucket}.s3.us-east-1.amazonaws.com/published/v1.json",
                f"https://s3.us-east-1.amazonaws.com/{self.bucket}/published/v1.json",
                f"http://127.0.0.1:{AWS.port}/{self.bucket}/published/v1.json")):
            with self.subTest(url):
                self.create(f"-{number}", url)

    def test_an_unpublished_or_foreign_url_is_refused(self):
        for url, reason in (
                (f"https://{self.bucket}.s3.amazonaws.com/private.json", "Access Denied"),
                (f"http://{self.bucket}.s3.amazonaws.com/published/v1.json", "must be a supported URL"),
                (f"https://example.com/{self.bucket}/published/v1.json", "must be a supported URL"),
                (f"https://{self.bucket}.s3.amazonaws.com/published/v2.json", "not found")):
            with self.subTest(url), self.assertRaisesRegex(ClientError, reason):
                self.create("-refused", url)


class Conditions(TestCase):
    """What a template's conditions can refer to."""

    def test_a_condition_knows_the_region_and_the_account_of_its_stack(self):
        equals = lambda name, value: {"Fn::Equals": [{"Ref": name}, value]}
        template = json.dumps({
            "Conditions": {
                "Here": {"Fn::And": [equals("AWS::Region", "eu-west-1"), equals("AWS::AccountId", VENDOR)]},
                "Elsewhere": equals("AWS::Region", "us-east-1"),
            },
            "Resources": {
                "Made": {"Type": "AWS::SNS::Topic", "Condition": "Here"},
                "NotMade": {"Type": "AWS::SNS::Topic", "Condition": "Elsewhere"},
            },
        })
        cloudformation = AWS.client("cloudformation", VENDOR, "eu-west-1")
        cloudformation.create_stack(StackName=self.name, TemplateBody=template)
        cloudformation.get_waiter("stack_create_complete").wait(StackName=self.name, WaiterConfig={"Delay": 1})
        resources = cloudformation.describe_stack_resources(StackName=self.name)["StackResources"]
        self.assertEqual([resource["LogicalResourceId"] for resource in resources], ["Made"])

    def test_a_condition_finds_a_region_in_a_list_and_the_stacks_own(self):
        named = {"Fn::Join": [",", [{"Ref": "AWS::Region"}, {"Fn::Join": [",", {"Ref": "Regions"}]}]]}
        contains = lambda region: {"Fn::Not": [{"Fn::Equals": [
            {"Fn::Join": ["", {"Fn::Split": [region, named]}]}, named]}]}
        regions = {"Own": "eu-west-1", "Named": "af-south-1", "Other": "me-south-1"}
        template = json.dumps({
            "Parameters": {"Regions": {"Type": "CommaDelimitedList", "Default": ""}},
            "Conditions": {name: contains(region) for name, region in regions.items()},
            "Resources": {f"Topic{name}": {"Type": "AWS::SNS::Topic", "Condition": name} for name in regions},
        })
        cloudformation = AWS.client("cloudformation", VENDOR, "eu-west-1")
        for given, made in (("us-east-1,af-south-1", {"TopicOwn", "TopicNamed"}), ("", {"TopicOwn"})):
            name = f"{self.name}-{len(made)}"
            cloudformation.create_stack(StackName=name, TemplateBody=template, Parameters=[
                {"ParameterKey": "Regions", "ParameterValue": given}])
            cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
            resources = cloudformation.describe_stack_resources(StackName=name)["StackResources"]
            self.assertEqual({resource["LogicalResourceId"] for resource in resources}, made)


class Tables(TestCase):
    """What CloudFormation sets on a table beside its keys."""

    def test_a_table_has_the_time_to_live_and_the_recovery_of_its_template(self):
        plain = {"KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}], "BillingMode": "PAY_PER_REQUEST",
                 "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}]}
        both = {**plain, "TimeToLiveSpecification": {"AttributeName": "ttl", "Enabled": True},
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}}
        stacks = AWS.client("cloudformation", VENDOR, "eu-west-1")
        tables = AWS.client("dynamodb", VENDOR, "eu-west-1")
        for change, kept, other in (("create", both, plain), ("update", plain, both)):
            template = {"Resources": {name: {"Type": "AWS::DynamoDB::Table", "Properties": properties}
                                      for name, properties in (("Kept", kept), ("Other", other))}}
            getattr(stacks, f"{change}_stack")(StackName=self.name, TemplateBody=json.dumps(template))
            stacks.get_waiter(f"stack_{change}_complete").wait(StackName=self.name, WaiterConfig={"Delay": 1})
            for resource in stacks.describe_stack_resources(StackName=self.name)["StackResources"]:
                with self.subTest(change=change, table=resource["LogicalResourceId"]):
                    name = resource["PhysicalResourceId"]
                    ttl = tables.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
                    backups = tables.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
                    recovery = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
                    has_both = (resource["LogicalResourceId"] == "Kept") == (change == "create")
                    self.assertEqual((ttl, recovery), (
                        ({"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}, "ENABLED") if has_both
                        else ({"TimeToLiveStatus": "DISABLED"}, "DISABLED")))


class Load(TestCase):
    """Many at once."""

    def test_many_stacks_wait_at_once_and_the_server_goes_on_serving(self):
        listener = self.listener()
        stacks = [self.stack(f"-{number}").create(listener.topic) for number in range(25)]
        requests = [listener.request("Create") for _ in stacks]
        began = time.monotonic()
        self.assertEqual(AWS.request("GET", "/_ministack/health"), 200)
        self.assertLess(time.monotonic() - began, 1)
        for request in requests:
            self.assertEqual(listener.answer(request), 200)
        for stack in stacks:
            stack.wait_for("CREATE_COMPLETE")


class Functions(TestCase):
    """Custom resources that Lambda functions answer."""

    def test_a_customers_template_connects_through_a_function_in_the_hub_region(self):
        topic = open_topic(AWS, self.name, "eu-west-1")
        function = AWS.function(self.name)
        AWS.client("sns", VENDOR, "eu-west-1").subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function)
        role = {"Role": {"Type": "AWS::IAM::Role", "Properties": {
            "RoleName": "latchkey-connection", "Path": "/vendors/",
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{VENDOR}:root"}, "Action": "sts:AssumeRole",
                "Condition": {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{VENDOR}:role/hub/*"},
                              "StringEquals": {"sts:ExternalId": "of-this-customer"}}}]}}}}
        credentials = AWS.role_session(CUSTOMER, "admin")
        stack = self.stack(client=AWS.client_with("cloudformation", "eu-west-1", **credentials))
        outputs = {"Keys": {"Value": {"Fn::GetAtt": ["Connection", "Keys"]}}}
        stack.cloudformation.create_stack(
            StackName=stack.name, Capabilities=["CAPABILITY_NAMED_IAM"], TemplateBody=json.dumps({
                "Outputs": outputs, "Resources": {**role, "Connection": {
                    "Type": "Custom::LatchkeyConnection", "Properties": {
                        "ServiceToken": topic, "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]}}}}}))
        # BOOTSTRAP fails at first: this completes only because the invocation is repeated.
        stack.wait_for("CREATE_COMPLETE", 20)
        described = stack.cloudformation.describe_stacks(StackName=stack.name)["Stacks"][0]
        self.assertEqual(described["Outputs"][0]["OutputValue"].split(","), [
            "Message", "MessageAttributes", "MessageId", "Signature", "SignatureVersion", "SigningCertUrl", "Subject",
            "Timestamp", "TopicArn", "Type", "UnsubscribeUrl"])
        vendor = AWS.client_with("sts", "us-east-1", **AWS.role_session(VENDOR, "hub-verifier", path="/hub/"))
        vendor.assume_role(RoleArn=f"arn:aws:iam::{CUSTOMER}:role/vendors/latchkey-connection",
                           RoleSessionName="probe", ExternalId="of-this-customer")

    def test_a_message_waits_while_its_function_is_switched_off_and_many_take_turns(self):
        topic = open_topic(AWS, self.name, "eu-west-1")
        function = AWS.function(self.name)
        functions = AWS.client("lambda", VENDOR)
        AWS.client("sns", VENDOR, "eu-west-1").subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function)
        functions.put_function_concurrency(FunctionName=self.name, ReservedConcurrentExecutions=0)
        stacks = [self.stack(f"-{number}").create(topic) for number in range(4)]
        # Longer than MiniStack's own two retries take.
        time.sleep(4)
        for stack in stacks:
            self.assertEqual([], [event for event in stack.events() if any("FAILED" in str(part) for part in event)])
        functions.put_function_concurrency(FunctionName=self.name, ReservedConcurrentExecutions=1)
        for stack in stacks:
            stack.wait_for("CREATE_COMPLETE", 30)

    def test_a_function_as_service_token_still_works(self):
        stack = self.stack().create(AWS.function(self.name, CUSTOMER, "eu-west-1"))
        stack.wait_for("CREATE_COMPLETE", 20)


class Processes(TestCase):
    """Nothing is left running, and nothing of the developer's leaks in."""

    def start(self, **environment):
        aws = LocalAws().start(**environment)
        self.addCleanup(aws.directory.cleanup)
        self.addCleanup(aws.process.wait)
        self.addCleanup(aws.process.kill)
        return aws

    def invoke(self, aws):
        aws.function(self.name)
        payload = aws.client("lambda").invoke(FunctionName=self.name, Payload=b"{}")["Payload"].read()
        return json.loads(payload)

    def assert_all_end(self, processes, seconds=8):
        self.assertGreaterEqual(len(processes), 2)
        wait_until(lambda: not any(map(running, processes)), "the end of all processes", seconds)

    def test_sigterm_ends_everything_although_a_stack_waits(self):
        aws = self.start()
        listener = Listener(aws, self.name)
        Stack(aws, self.name).create(listener.topic)
        listener.request("Create")
        function = self.invoke(aws)["process"]
        processes = descendants(aws.process.pid)
        self.assertIn(function, processes)
        aws.process.terminate()
        self.assertEqual(aws.process.wait(10), 0)
        self.assert_all_end(processes)
        self.assertEqual(aws.log.read_text(), "")

    def test_killing_the_launcher_ends_everything(self):
        aws = self.start()
        self.invoke(aws)
        processes = descendants(aws.process.pid)
        aws.process.kill()
        self.assert_all_end(processes)

    def test_killing_the_server_ends_the_functions_and_the_launcher(self):
        aws = self.start()
        self.invoke(aws)
        processes = descendants(aws.process.pid)
        os.kill(processes[0], signal.SIGKILL)
        self.assertNotEqual(aws.process.wait(10), 0)
        self.assert_all_end(processes)

    def test_the_death_of_the_parent_ends_everything(self):
        aws = LocalAws()
        self.addCleanup(aws.directory.cleanup)
        parent = subprocess.Popen([sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:])",
                                   *aws.command()], stderr=subprocess.DEVNULL)
        aws.wait_until_ready()
        self.invoke(aws)
        processes = descendants(parent.pid)
        parent.kill()
        parent.wait()
        self.assert_all_end(processes)

    def test_the_end_of_the_thread_that_started_it_ends_nothing(self):
        starter = threading.Thread(target=lambda: setattr(self, "aws", self.start()))
        starter.start()
        starter.join()
        time.sleep(0.5)
        self.assertEqual(self.aws.request("GET", "/_ministack/health"), 200)

    def test_ctrl_c_ends_everything(self):
        aws = self.start()
        processes = [aws.process.pid, *descendants(aws.process.pid)]
        for process in processes:
            os.kill(process, signal.SIGINT)
        self.assertEqual(aws.process.wait(10), 0)
        self.assert_all_end(processes)

    def test_the_developers_environment_does_not_reach_functions(self):
        aws = self.start(LATCHKEY_TEST_SECRET="leaked", AWS_PROFILE="mine", AWS_SECRET_ACCESS_KEY="mine")
        environment = self.invoke(aws)["environment"]
        self.assertNotIn("leaked", environment.values())
        self.assertNotIn("mine", environment.values())
        self.assertEqual(environment["AWS_ENDPOINT_URL"], f"http://127.0.0.1:{aws.port}")
        self.assertTrue(environment["HOME"].startswith(aws.directory.name))
        self.assertTrue(environment["TMPDIR"].startswith(aws.directory.name))

    def test_the_server_listens_on_loopback_only(self):
        listening = {line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
                     if line.split()[3] == "0A"}
        self.assertIn(f"0100007F:{AWS.port:04X}", listening)
        self.assertNotIn(f"00000000:{AWS.port:04X}", listening)


class Refusals(TestCase):
    """What the launcher does not start with."""

    def launch(self, *arguments, **environment):
        return subprocess.run([sys.executable, str(LAUNCHER), *arguments], capture_output=True, text=True, timeout=20,
                              env={**os.environ, **environment})

    def test_another_ministack_version_is_refused(self):
        with tempfile.TemporaryDirectory() as directory:
            metadata = Path(directory, "ministack-9.9.9.dist-info", "METADATA")
            metadata.parent.mkdir()
            metadata.write_text("Metadata-Version: 2.1\nName: ministack\nVersion: 9.9.9\n")
            result = self.launch("--port", str(free_port()), "--account", VENDOR, "--data-dir", directory,
                                 PYTHONPATH=directory)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("need ministack 1.5.33, found 9.9.9", result.stderr)

    def test_a_taken_port_and_a_bad_account_are_refused(self):
        with tempfile.TemporaryDirectory() as directory:
            taken = self.launch("--port", str(AWS.port), "--account", VENDOR, "--data-dir", directory)
            account = self.launch("--port", str(free_port()), "--account", "12", "--data-dir", directory)
        self.assertIn(f"cannot listen on 127.0.0.1:{AWS.port}", taken.stderr)
        self.assertIn("'12' is not a 12-digit account ID", account.stderr)

    def test_a_function_that_changed_its_shape_is_not_wrapped(self):
        module = types.ModuleType("changed")
        module.known = lambda key, ctx: None
        with self.assertRaisesRegex(MiniStackChanged, "written for"):
            wrap(module, "known", ("key", "context"), lambda original: original)
        with self.assertRaisesRegex(MiniStackChanged, "takes None"):
            wrap(module, "gone", ("key",), lambda original: original)


if __name__ == "__main__":
    unittest.main()
