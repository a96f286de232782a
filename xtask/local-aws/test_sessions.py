"""What sessions say of themselves is kept, asked for and limited as on AWS. Every test fails without its correction."""

import json
import unittest

from botocore.exceptions import ClientError

from selftest_support import CUSTOMER, VENDOR, LocalAws

AWS = LocalAws()
SAID = {"SourceIdentity": "ticket-7", "Tags": [{"Key": "latchkey:purpose", "Value": "sync"}]}


def setUpModule():
    AWS.start()


def tearDownModule():
    AWS.stop()


def trust(*statements):
    root = {"AWS": f"arn:aws:iam::{VENDOR}:root"}
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": root, "Action": action, **condition} for action, condition in statements]})


class Sessions(unittest.TestCase):
    """A vendor's role, and roles of a customer that trust it more or less."""

    @classmethod
    def setUpClass(cls):
        keys = {"Condition": {"ForAllValues:StringLike": {"aws:TagKeys": "latchkey:*"}}}
        said = (["sts:SetSourceIdentity", "sts:TagSession"], keys)
        roles = AWS.client("iam", CUSTOMER)
        documents = {"plain": trust(("sts:AssumeRole", {})), "telling": trust(("sts:AssumeRole", {}), said)}
        cls.roles = {
            name: roles.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
            for name, document in documents.items()}
        chained = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:GetCallerIdentity"], "Resource": "*"}]}
        cls.vendor = AWS.client_with("sts", "us-east-1", **AWS.role_session(VENDOR, "mighty"))
        AWS.role_session(VENDOR, "modest")
        AWS.client("iam").put_role_policy(RoleName="modest", PolicyName="all", PolicyDocument=json.dumps(chained))
        cls.modest = AWS.client_with("sts", "us-east-1", **AWS.client("sts").assume_role(
            RoleArn=f"arn:aws:iam::{VENDOR}:role/modest", RoleSessionName="modest")["Credentials"])

    def assume(self, role, by=None, **options):
        return (by or self.vendor).assume_role(RoleArn=self.roles[role], **{"RoleSessionName": "session", **options})

    def refused(self, code, *arguments, **options):
        with self.assertRaises(ClientError) as raised:
            self.assume(*arguments, **options)
        self.assertEqual(raised.exception.response["Error"]["Code"], code)
        return raised.exception.response["Error"]["Message"]

    def test_both_sides_have_to_allow_what_a_session_says(self):
        self.assertEqual(self.assume("telling", **SAID)["SourceIdentity"], "ticket-7")
        for name, action in (("SourceIdentity", "sts:SetSourceIdentity"), ("Tags", "sts:TagSession")):
            option = {name: SAID[name]}
            self.assertIn(action, self.refused("AccessDenied", "plain", **option))
            self.assertIn(action, self.refused("AccessDenied", "telling", self.modest, **option))
        self.assume("plain")
        self.assume("telling", self.modest)
        self.refused("AccessDenied", "telling", Tags=[{"Key": "team", "Value": "x"}])

    def test_what_is_transitive_goes_on_and_cannot_be_changed(self):
        first = self.assume("telling", **SAID, TransitiveTagKeys=["latchkey:purpose"])["Credentials"]
        AWS.client("iam", CUSTOMER).put_role_policy(RoleName="telling", PolicyName="all", PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:*", "Resource": "*"}]}))
        said = {"StringEquals": {"sts:SourceIdentity": "ticket-7", "aws:PrincipalTag/latchkey:purpose": "sync"}}
        next_role = json.loads(trust(("sts:AssumeRole", {"Condition": said}), (["sts:SetSourceIdentity", "sts:TagSession"], {})))
        for statement in next_role["Statement"]:
            statement["Principal"] = {"AWS": f"arn:aws:iam::{CUSTOMER}:root"}
        self.roles["next"] = AWS.client("iam", CUSTOMER).create_role(
            RoleName="next", AssumeRolePolicyDocument=json.dumps(next_role))["Role"]["Arn"]
        session = AWS.client_with("sts", "us-east-1", **first)
        self.assertEqual(self.assume("next", session)["SourceIdentity"], "ticket-7")
        self.refused("AccessDenied", "next", session, SourceIdentity="another")
        self.refused("InvalidParameterValue", "next", session, Tags=[{"Key": "Latchkey:Purpose", "Value": "x"}])
        self.refused("InvalidParameterValue", "telling", TransitiveTagKeys=["latchkey:purpose"])

    def test_durations_and_names_have_limits(self):
        self.assume("plain", DurationSeconds=900)
        root = AWS.client("sts")
        for seconds, by in ((3601, None), (3601, root), (43201, root)):
            with self.subTest(seconds):
                self.refused("ValidationError", "plain", by, DurationSeconds=seconds)
        for name in ("x y", "a" * 65):
            self.refused("ValidationError", "plain", RoleSessionName=name)
        self.refused("ValidationError", "telling", SourceIdentity="aws:root")

    def test_a_resource_control_policy_keeps_strangers_from_a_role_but_for_its_exceptions(self):
        organizations = AWS.client("organizations", "555555555555")
        member = organizations.create_account(Email="m@example.com", AccountName="m")["CreateAccountStatus"]["AccountId"]
        roles = AWS.client("iam", member)
        roles.create_role(RoleName="plain", AssumeRolePolicyDocument=trust(("sts:AssumeRole", {})))
        self.roles["member"] = f"arn:aws:iam::{member}:role/plain"
        self.assume("member")
        organizations.enable_policy_type(
            RootId=organizations.list_roots()["Roots"][0]["Id"], PolicyType="RESOURCE_CONTROL_POLICY")

        def perimeter(*accounts):
            return json.dumps({"Version": "2012-10-17", "Statement": [{
                "Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole", "Resource": "*", "Condition": {
                    "StringNotEqualsIfExists": {
                        "aws:PrincipalOrgID": "o-own", "aws:PrincipalAccount": ["123456789012", *accounts],
                        "aws:ResourceTag/dp:exclude:identity": "true"},
                    "BoolIfExists": {"aws:PrincipalIsAWSService": "false"}}}]})

        made = organizations.create_policy(
            Name="rcp", Description="d", Type="RESOURCE_CONTROL_POLICY", Content=perimeter())
        policy = made["Policy"]["PolicySummary"]["Id"]
        organizations.attach_policy(PolicyId=policy, TargetId=member)
        self.refused("AccessDenied", "member")
        roles.tag_role(RoleName="plain", Tags=[{"Key": "dp:exclude:identity", "Value": "true"}])
        self.assume("member")
        roles.untag_role(RoleName="plain", TagKeys=["dp:exclude:identity"])
        organizations.update_policy(PolicyId=policy, Content=perimeter(VENDOR))
        self.assume("member")


if __name__ == "__main__":
    unittest.main()
