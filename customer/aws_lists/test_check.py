"""Each refusal with a manifest that is refused for this alone, and is fine otherwise."""

import copy
import pathlib
import subprocess
import sys
import tempfile
import unittest

import yaml

import check

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent / "permissions.yaml"


def manifest():
    return yaml.safe_load(REPOSITORY.read_text(encoding="utf-8"))


class Refusals(unittest.TestCase):
    def setUp(self):
        self.manifest = manifest()
        tiers = {tier["name"]: tier for tier in self.manifest["tiers"]}
        self.cost = tiers["inventory-cost"]
        self.statement = self.cost["statements"][0]

    def refused(self, *expected):
        found = check.findings(self.manifest)
        self.assertEqual(len(found), len(expected), found)
        for finding, text in zip(found, expected):
            self.assertIn(text, finding)

    def test_the_repositorys_manifest_is_refused_nothing(self):
        self.assertEqual(check.findings(self.manifest), [])

    def test_an_action_that_does_not_exist(self):
        self.statement["actions"].append("ce:GetCostAndUsages")
        self.refused("tier inventory-cost, ReadCost: ce:GetCostAndUsages is no action of AWS")

    def test_a_service_that_does_not_exist(self):
        self.statement["actions"].append("costs:GetCostAndUsage")
        self.refused("costs:GetCostAndUsage is no action of AWS")

    def test_a_canary_that_does_not_exist(self):
        self.manifest["canaries"].append("s3:GetObjekt")
        self.refused("canaries: s3:GetObjekt is no action of AWS")

    def test_an_action_in_another_spelling(self):
        self.statement["actions"] = ["ce:getCostAndUsage"]
        self.refused("ce:getCostAndUsage is spelled ce:GetCostAndUsage by AWS")

    def test_an_access_level_that_is_stated_wrongly(self):
        self.statement["access_level"] = "List"
        self.refused("ce:GetCostAndUsage is Read, not List", "ce:GetCostForecast is Read, not List")

    def test_a_write_that_is_called_reading(self):
        self.statement["actions"].append("ce:CreateCostCategoryDefinition")
        self.refused("ce:CreateCostCategoryDefinition is Write, not Read")

    def test_an_action_that_cannot_be_narrowed_to_the_resource(self):
        self.statement.update(actions=["ec2:DescribeSubnets"], access_level="List", resources=["arn:${partition}:ec2:*:*:subnet/*"])
        self.refused("ec2:DescribeSubnets cannot be narrowed to a resource")

    def test_an_action_that_returns_credentials(self):
        self.statement.update(actions=["ecr:GetAuthorizationToken"])
        self.refused("ecr:GetAuthorizationToken returns credentials")

    def test_a_way_to_more_permissions_in_one_statement(self):
        self.statement.update(
            actions=["iam:PutGroupPolicy"],
            access_level="Permissions management",
            resources=["arn:${partition}:iam::${account}:group/example"],
        )
        self.refused("tier inventory-cost: iam:putgrouppolicy together are a known way to more permissions (PutGroupPolicy)")

    def test_a_way_to_more_permissions_over_two_tiers_is_told_where_it_opens(self):
        inventory = next(tier for tier in self.manifest["tiers"] if tier["name"] == "inventory")
        self.assertIn("ec2:DescribeInstances", inventory["statements"][0]["actions"])
        self.statement.update(
            actions=["ec2-instance-connect:SendSSHPublicKey"],
            access_level="Write",
            resources=["arn:${partition}:ec2:*:${account}:instance/i-0123456789abcdef0"],
        )
        self.refused("tier inventory-cost: ec2-instance-connect:sendsshpublickey, ec2:describeinstances together")

    def test_a_managed_policy_that_does_not_exist(self):
        self.attach("ReadEverything")
        self.refused("there is no such policy of AWS")

    def test_a_managed_policy_that_reads_data_without_saying_so(self):
        self.attach("AmazonS3ReadOnlyAccess")
        self.refused("it reads data (s3:getobject) without saying so")

    def test_a_managed_policy_that_reads_data_and_says_so(self):
        self.attach("AmazonS3ReadOnlyAccess", reads_data="every object in every bucket")
        self.assertEqual(check.findings(self.manifest), [])

    def test_a_managed_policy_that_only_describes(self):
        self.attach("AWSBillingReadOnlyAccess")
        self.assertEqual(check.findings(self.manifest), [])

    def test_a_policy_of_administrators_under_another_name(self):
        for name in ["AdministratorAccess", "PowerUserAccess", "job-function/DataScientist"]:
            self.manifest = manifest()
            self.cost = next(tier for tier in self.manifest["tiers"] if tier["name"] == "inventory-cost")
            self.attach(name, reads_data="everything there is")
            found = check.findings(self.manifest)
            self.assertTrue(any("known way to more permissions" in finding for finding in found), (name, found))

    def attach(self, name, **more):
        policy = {"arn": "arn:${partition}:iam::aws:policy/" + name, "reason": "to show what the bills are made of", **more}
        self.cost["managed_policies"] = [policy]


class CommandLine(unittest.TestCase):
    def test_it_fails_on_a_finding_and_on_nothing_else(self):
        bad = copy.deepcopy(manifest())
        bad["canaries"].append("s3:GetObjekt")
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "permissions.yaml"
            file.write_text(yaml.safe_dump(bad), encoding="utf-8")
            for path, code in [(REPOSITORY, 0), (file, 1)]:
                command = [sys.executable, str(pathlib.Path(check.__file__)), str(path)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                self.assertEqual(done.returncode, code, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
