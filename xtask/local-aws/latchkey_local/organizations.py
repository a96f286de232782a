"""Correction: an organization's policies limit the users and roles of an account, and who assumes its roles."""

import dataclasses

from .wrapping import wrap

SERVICE, RESOURCE = "SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"


def levels(account, kind=SERVICE):
    """The policies at each level above a member account, the account's own first: every level must allow."""
    from ministack.core import iam_evaluator as evaluator
    from ministack.services import organizations

    found = []
    for (owner, member), _ in list(organizations._accounts.to_dict().items()):
        if member != account or owner == account:
            continue
        place = account
        while place:
            attached = [organizations._policies.get_scoped(owner, None, policy) or {}
                        for (of, policy), targets in list(organizations._attachments.to_dict().items())
                        if of == owner and place in targets]
            layer = [evaluator.parse_policy_document(policy["_Content"]) for policy in attached
                     if policy.get("Type") == kind]
            # MiniStack attaches FullAWSAccess to accounts and to the root, but not to OUs as AWS does.
            if layer:
                found.append(layer)
            above = (organizations._accounts.get_scoped(owner, None, place)
                     or organizations._ous.get_scoped(owner, None, place) or {})
            place = above.get("_ParentId")
    return found


def apply():
    """Hold the users and roles of a member account to its organization's policies, never those of the management account.

    AWS: a call is allowed only if the policies at each level above the account allow it, too; and a role is assumed only
    if no resource control policy above its account denies it, whoever asks. MiniStack keeps them and does not read them.
    """
    from ministack.core import iam_evaluator as evaluator
    from ministack.services import organizations  # noqa: F401 (loaded now, so that the first call does not wait for it)

    def make_wrapper(original):
        def resolve(access_key_id, account_id, credential=None):
            principal = original(access_key_id, account_id, credential)
            if getattr(principal, "policies", None) is not None:
                principal.limits.extend(levels(principal.account))
            return principal
        return resolve

    def make_trust(original):
        def evaluate_trust_policy(trust_doc, caller_arn, ctx=None):
            return original(trust_doc, caller_arn, ctx) and (ctx is None or not _is_denied(ctx))
        return evaluate_trust_policy

    wrap(evaluator, "resolve_principal", ("access_key_id", "account_id", "credential"), make_wrapper)
    wrap(evaluator, "evaluate_trust_policy", ("trust_doc", "caller_arn", "ctx"), make_trust)


def _is_denied(ctx):
    """Whether a resource control policy above the role's account denies the request, which knows the role's tags."""
    from ministack.core import iam_evaluator as evaluator
    from ministack.services import iam

    parts = ctx.resource_arn.split(":")
    layers = levels(parts[4], RESOURCE) if len(parts) > 5 else []
    if not layers:
        return False
    role = iam._roles.get_scoped(parts[4], None, parts[5].rsplit("/", 1)[-1]) or {}
    tags = {f"aws:resourcetag/{tag['Key']}".lower(): tag["Value"] for tag in role.get("Tags") or []}
    told = dataclasses.replace(ctx, service_context={
        **ctx.service_context, **tags, "aws:principalisawsservice": "false"})
    return any(evaluator.evaluate(told, layer).decision == "Deny" for layer in layers)
