"""Tell for each trust policy who gets in, by MiniStack's own evaluator with our corrections, in this process.

    python trust_verdicts.py < lines

The first line is an object of witnesses, each a list of callers: ``account``, ``kind`` (role or user), ``path`` (with the
name), ``external_ids`` that it tries (null: none), ``organization`` or null. Every other line is an object with ``policy``
and ``context``: what the caller adds to the request besides, by condition key in lower case; it is tried without, too.
Each is answered by a line, the list of the witnesses of whom one caller gets in.
"""

import dataclasses
import json
import sys
import tempfile
from pathlib import Path

from launcher import refuse_other_versions
from latchkey_local.server import apply_corrections
from latchkey_local.settings import Settings, replace_environment

ROLE = "arn:aws:iam::222222222222:role/Reader"


def requests(caller):
    """The evaluator's contexts for one caller, one for each external ID."""
    from ministack.core.iam_evaluator import EvalContext
    from ministack.services import iam

    account, path = caller["account"], caller["path"]
    name = path.rpartition("/")[2]
    keys = {"aws:principalisawsservice": "false"}
    if caller["organization"]:
        keys["aws:principalorgid"] = caller["organization"]
        keys["aws:principalorgpaths"] = [f"{caller['organization']}/r-ab12/ou-ab12-11111111/"]
    if caller["kind"] == "role":
        # The correction of aws:PrincipalArn finds the path there.
        iam._roles.set_scoped(account, None, name, {"Arn": f"arn:aws:iam::{account}:role/{path}"})
        arn, kind = f"arn:aws:sts::{account}:assumed-role/{name}/session", "AssumedRole"
        keys["aws:userid"] = f"AROA{account}ABCDE:session"
    else:
        arn, kind = f"arn:aws:iam::{account}:user/{path}", "User"
        keys.update({"aws:userid": f"AIDA{account}ABCDE", "aws:username": name})
    for external_id in caller["external_ids"]:
        yield EvalContext(
            principal_arn=arn, principal_type=kind, principal_account=account, action="sts:AssumeRole",
            resource_arn=ROLE, region="us-east-1", source_ip="198.51.100.7", secure_transport=True,
            service_context={"sts:externalid": external_id, "sts:rolesessionname": "session"}, principal_keys=keys)


def with_context(request, added):
    """The request with what the caller adds."""
    return dataclasses.replace(
        request, source_ip=added.get("aws:sourceip", request.source_ip),
        region=added.get("aws:requestedregion", request.region),
        service_context={**request.service_context, **added})


def serve(directory):
    """Answer every line."""
    settings = Settings(1, "111111111111", directory, "999999999999")
    # MiniStack reads its environment when it is imported. Nothing listens on that port.
    replace_environment(settings)
    import ministack.app  # noqa: F401  the modules that the corrections wrap
    from ministack.core import iam_evaluator

    apply_corrections(settings)
    callers = json.loads(sys.stdin.readline())
    witnesses = {name: [request for caller in tried for request in requests(caller)]
                 for name, tried in callers.items()}
    for line in sys.stdin:
        case = json.loads(line)
        added = case["context"]

        def gets_in(request):
            tried = [with_context(request, added), request] if added else [request]
            return any(iam_evaluator.evaluate_trust_policy(case["policy"], one.principal_arn, one) for one in tried)

        print(json.dumps([name for name, tried in witnesses.items() if any(map(gets_in, tried))]))


if __name__ == "__main__":
    refuse_other_versions()
    with tempfile.TemporaryDirectory() as directory:
        serve(Path(directory))
