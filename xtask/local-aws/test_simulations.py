"""What the local IAM says of what a role may do. Every test fails without the correction that it is about."""

import json
import unittest

from botocore.exceptions import ClientError

from selftest_support import VENDOR, LocalAws

AWS = LocalAws()
IN_IRELAND = {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}
IRELAND = {"ContextKeyName": "aws:RequestedRegion", "ContextKeyType": "string", "ContextKeyValues": ["eu-west-1"]}


def setUpModule():
    AWS.start()


def tearDownModule():
    AWS.stop()


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def allow(action, **more):
    return {"Effect": "Allow", "Action": action, "Resource": "*", **more}


def role(name, document, account=VENDOR, boundary=None):
    iam = AWS.client("iam", account)
    limits = {}
    if boundary:
        made = iam.create_policy(PolicyName=f"{name}-boundary", PolicyDocument=boundary)
        limits["PermissionsBoundary"] = made["Policy"]["Arn"]
    arn = iam.create_role(RoleName=name, Path="/p/", AssumeRolePolicyDocument="{}", **limits)["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document)
    return arn


def simulate(arn, action, context=(), resource="*"):
    iam = AWS.client("iam", arn.split(":")[4])
    answer = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=[action], ResourceArns=[resource],
                                           ContextEntries=list(context))
    return answer["EvaluationResults"][0]


class Simulations(unittest.TestCase):
    """simulations"""

    def test_conditions_are_held_against_the_context_entries_alone(self):
        arn = role("conditional", policy(allow("ec2:Describe*", Condition=IN_IRELAND)))
        self.assertEqual(simulate(arn, "ec2:DescribeRegions", [IRELAND])["EvalDecision"], "allowed")
        elsewhere = {**IRELAND, "ContextKeyValues": ["us-east-1"]}
        told = simulate(arn, "ec2:DescribeRegions", [elsewhere])
        self.assertEqual((told["EvalDecision"], told["MissingContextValues"]), ("implicitDeny", []))
        untold = simulate(arn, "ec2:DescribeRegions")
        self.assertEqual((untold["EvalDecision"], untold["MissingContextValues"]),
                         ("implicitDeny", ["aws:RequestedRegion"]))
        of_role = simulate(arn, "ec2:DescribeRegions", resource=arn)
        self.assertEqual(of_role["MissingContextValues"], [])
        self.assertEqual(of_role["ResourceSpecificResults"][0]["MissingContextValues"], ["aws:RequestedRegion"])

    def test_a_boundary_counts_and_is_told(self):
        arn = role("bounded", policy(allow("*")), boundary=policy(allow("*", Condition=IN_IRELAND)))
        inside, outside = simulate(arn, "ec2:DescribeRegions", [IRELAND]), simulate(arn, "ec2:DescribeRegions")
        self.assertEqual(inside["EvalDecision"], "allowed")
        self.assertEqual(outside["EvalDecision"], "implicitDeny")
        self.assertFalse(outside["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"])
        self.assertNotIn("OrganizationsDecisionDetail", outside)


class Organizations(unittest.TestCase):
    """organizations"""

    def test_a_service_control_policy_limits_members_and_is_told_by_simulations(self):
        organizations = AWS.client("organizations", "555555555555")
        made = organizations.create_account(Email="m@example.com", AccountName="member")
        member = made["CreateAccountStatus"]["AccountId"]
        lock = policy({"Effect": "Deny", "NotAction": ["iam:*", "sts:*"], "Resource": "*",
                       "Condition": {"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}}})
        scp = organizations.create_policy(Name="lock", Description="d", Type="SERVICE_CONTROL_POLICY", Content=lock)
        arn = role("member", policy(allow("*")), account=member)
        session = AWS.role_session(member, "acting")
        sqs = lambda region: AWS.client_with("sqs", region, **session).list_queues()
        sqs("us-east-1")
        organizations.attach_policy(PolicyId=scp["Policy"]["PolicySummary"]["Id"], TargetId=member)
        sqs("eu-west-1")
        with self.assertRaisesRegex(ClientError, "AccessDenied"):
            sqs("us-east-1")
        inside, outside = simulate(arn, "ec2:DescribeRegions", [IRELAND]), simulate(arn, "ec2:DescribeRegions")
        self.assertEqual(inside["EvalDecision"], "allowed")
        self.assertEqual(outside["EvalDecision"], "explicitDeny")
        self.assertFalse(outside["OrganizationsDecisionDetail"]["AllowedByOrganizations"])
        # What an organization asks about is not among the missing keys.
        self.assertEqual(outside["MissingContextValues"], [])


if __name__ == "__main__":
    unittest.main()
