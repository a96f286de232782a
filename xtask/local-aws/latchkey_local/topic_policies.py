"""Correction: a topic's policy ends at 100 statements and at 30 KB, and lets in no account that does not exist."""

import json

from .wrapping import wrap

MAX_STATEMENTS = 100
MAX_BYTES = 30 * 1024
# Accounts that do not exist here: any other twelve digits do.
NO_ACCOUNT = "0000"


def apply():
    """AWS: AddPermission refuses, with InvalidParameter, what would make the policy too large, and unknown accounts.

    MiniStack takes any number.
    """
    from ministack.services import sns

    def make_wrapper(original):
        def add_permission(params):
            topic, error = sns._get_topic(sns._p(params, "TopicArn"), "sns:AddPermission")
            if error is None and sns._p(params, "AWSAccountId.member.1").startswith(NO_ACCOUNT):
                return sns._error("InvalidParameter", "Invalid parameter: A provided account ID is not valid", 400)
            if error is None:
                before = topic["attributes"].get("Policy") or ""
                answer = original(params)
                after = topic["attributes"].get("Policy") or "{}"
                if len(json.loads(after).get("Statement", [])) > MAX_STATEMENTS or len(after) > MAX_BYTES:
                    topic["attributes"]["Policy"] = before
                    return sns._error("InvalidParameter", "Invalid parameter: Policy limit exceeded", 400)
                return answer
            return original(params)
        return add_permission

    wrap(sns, "_add_permission", ("params",), make_wrapper)
    # The table of actions holds the function itself.
    for table in vars(sns).values():
        if isinstance(table, dict) and "AddPermission" in table:
            table["AddPermission"] = sns._add_permission
