"""Holds customer/permissions.yaml against AWS's own lists.

What can be told without them is checked in Rust (customer/src/check/). This part needs to know which actions exist, what each does, what
AWS's managed policies contain and which permissions together open a way to more. The lists are those of policy_sentry (actions, from AWS's
service authorization reference), cloudsplaining (privilege escalation, credentials) and moto (managed policies), at the versions of
requirements.txt: a newer list is a reviewed change.

    python customer/aws_lists/check.py customer/permissions.yaml

prints each finding on a line and ends with 1 if there is one.
"""

import json
import pathlib
import sys
from fnmatch import fnmatchcase

import yaml
from cloudsplaining.shared.constants import (
    ACTIONS_THAT_RETURN_CREDENTIALS,
    PRIVILEGE_ESCALATION_METHODS,
    READ_ONLY_DATA_EXFILTRATION_ACTIONS,
)
from policy_sentry.querying.actions import get_action_data
from policy_sentry.querying.all import get_all_actions

# What reads content rather than the description of it, beyond cloudsplaining's own short list.
READS_DATA = {action.lower() for action in READ_ONLY_DATA_EXFILTRATION_ACTIONS} | {
    "athena:getqueryresults",
    "codecommit:getfile",
    "dynamodb:batchgetitem",
    "dynamodb:getitem",
    "dynamodb:query",
    "dynamodb:scan",
    "kinesis:getrecords",
    "kms:decrypt",
    "lambda:getfunction",
    "logs:getlogevents",
    "rds-data:executestatement",
    "sqs:receivemessage",
}
ESCALATION = {name: frozenset(actions) for name, actions in PRIVILEGE_ESCALATION_METHODS.items()}
CREDENTIALS = frozenset(ACTIONS_THAT_RETURN_CREDENTIALS)


def main(path):
    manifest = yaml.safe_load(pathlib.Path(path).read_text(encoding="utf-8"))
    found = findings(manifest)
    for finding in found:
        print(finding)
    return 1 if found else 0


def findings(manifest):
    """Every finding, as a line of text; none where the manifest is fine."""
    found = []
    for action in manifest["canaries"]:
        if not rows(action):
            found.append(f"canaries: {action} is no action of AWS")
    for tier in manifest["tiers"]:
        for statement in tier["statements"]:
            place = f"tier {tier['name']}, {statement['sid']}"
            for action in statement["actions"]:
                found += [f"{place}: {what}" for what in of_action(action, statement)]
        for policy in tier.get("managed_policies", []):
            place = f"tier {tier['name']}, {policy['arn']}"
            found += [f"{place}: {what}" for what in of_managed_policy(policy)]
        granted = granted_by(manifest, tier)
        for name, method in sorted(ESCALATION.items()):
            # A way that a tier inherits is told once, where it opens.
            if method <= granted and not method <= granted_by(manifest, included(manifest, tier)):
                found.append(
                    f"tier {tier['name']}: {', '.join(sorted(method))} together are a known way to more permissions ({name})"
                )
    return found


def of_action(action, statement):
    known = rows(action)
    if not known:
        return [f"{action} is no action of AWS"]
    found = []
    name = known[0]["action"]
    if name != action:
        found.append(f"{action} is spelled {name} by AWS")
    levels = sorted({row["access_level"] for row in known})
    if statement["access_level"] not in levels:
        found.append(f"{action} is {' or '.join(levels)}, not {statement['access_level']}")
    if action.lower() in CREDENTIALS:
        found.append(f"{action} returns credentials; no tier may ask for it")
    if isinstance(statement["resources"], list) and all(row["resource_arn_format"] == "*" for row in known):
        found.append(f"{action} cannot be narrowed to a resource: the statement would never allow it")
    return found


def of_managed_policy(policy):
    name = policy["arn"].rsplit(":policy/", 1)[-1]
    document = managed_policies().get(name)
    if document is None:
        return ["there is no such policy of AWS"]
    granted = actions_of(document)
    found = []
    for method_name, method in sorted(ESCALATION.items()):
        if method <= granted:
            found.append(f"{', '.join(sorted(method))} in it are a known way to more permissions ({method_name})")
            break
    changing = sorted(action for action in granted & CREDENTIALS)
    if changing:
        found.append(f"it returns credentials: {', '.join(changing[:3])}")
    data = sorted(granted & READS_DATA)
    if data and not str(policy.get("reads_data") or "").strip():
        found.append(f"it reads data ({', '.join(data[:3])}) without saying so; say in reads_data which")
    return found


def granted_by(manifest, tier):
    """All actions that a tier grants, in lower case, with what it includes."""
    granted = set()
    while tier:
        for statement in tier["statements"]:
            granted |= {action.lower() for action in statement["actions"]}
        for policy in tier.get("managed_policies", []):
            granted |= actions_of(managed_policies().get(policy["arn"].rsplit(":policy/", 1)[-1], {}))
        tier = included(manifest, tier)
    return granted


def included(manifest, tier):
    return next((other for other in manifest["tiers"] if tier and other["name"] == tier.get("includes")), None)


def actions_of(document):
    """What a policy document allows, in lower case, as single actions."""
    statements = document.get("Statement", [])
    granted = set()
    for statement in [statements] if isinstance(statements, dict) else statements:
        if statement.get("Effect") != "Allow":
            continue
        named = statement.get("Action", statement.get("NotAction"))
        patterns = [pattern.lower() for pattern in ([named] if isinstance(named, str) else named)]
        matching = {action for action in every_action() if any(fnmatchcase(action, pattern) for pattern in patterns)}
        granted |= matching if "Action" in statement else every_action() - matching
    return granted


_CACHE = {}


def every_action():
    if "actions" not in _CACHE:
        _CACHE["actions"] = {action.lower() for action in get_all_actions()}
    return _CACHE["actions"]


def managed_policies():
    """AWS's managed policies: path and name to document."""
    if "policies" not in _CACHE:
        from moto.iam.aws_managed_policies import aws_managed_policies_data

        _CACHE["policies"] = {
            policy.get("Path", "/").removeprefix("/") + name: policy["Document"]
            for name, policy in json.loads(aws_managed_policies_data).items()
        }
    return _CACHE["policies"]


def rows(action):
    """policy_sentry's rows of an action: one for each type of resource that it can be narrowed to."""
    service, _, name = action.partition(":")
    found = get_action_data(service, name)
    return [{**row, "action": f"{service}:{row['action'].split(':')[-1]}"} for row in found.get(service, [])] if found else []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
