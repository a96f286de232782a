"""Correction: service control policies that are attached to an account limit its users and roles."""

from .wrapping import wrap


def levels(account):
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
                     if policy.get("Type") == "SERVICE_CONTROL_POLICY"]
            # MiniStack attaches FullAWSAccess to accounts and to the root, but not to OUs as AWS does.
            if layer:
                found.append(layer)
            above = (organizations._accounts.get_scoped(owner, None, place)
                     or organizations._ous.get_scoped(owner, None, place) or {})
            place = above.get("_ParentId")
    return found


def apply():
    """Hold the users and roles of a member account to its organization's policies, never those of the management account.

    AWS: a call is allowed only if the policies at each level above the account allow it, too. MiniStack keeps them and
    does not read them.
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

    wrap(evaluator, "resolve_principal", ("access_key_id", "account_id", "credential"), make_wrapper)
