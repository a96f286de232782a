"""Correction: ``aws:PrincipalArn`` of a role session is the role's ARN."""

from .wrapping import wrap


def apply():
    """Make every policy see the role where MiniStack shows the session.

    AWS: for an assumed role ``aws:PrincipalArn`` is ``arn:aws:iam::<account>:role/<path><name>``,
    with the path; for a root user ``arn:aws:iam::<account>:root``. MiniStack gives the session's
    ``arn:aws:sts::…:assumed-role/<name>/<session>``, so that a correct trust policy is refused.
    """
    from ministack.core import iam_evaluator

    def make_wrapper(original):
        def resolve(key, ctx):
            value = original(key, ctx)
            return _role_of(value) if key.lower() == "aws:principalarn" else value
        return resolve

    wrap(iam_evaluator, "_resolve_condition_key", ("key", "ctx"), make_wrapper)


def _role_of(principal_arn):
    """The role's ARN for a session's ARN, anything else unchanged."""
    from ministack.services import iam

    session = str(principal_arn).partition(":assumed-role/")
    if not session[1]:
        return principal_arn
    account, name = session[0].rpartition(":")[2], session[2].partition("/")[0]
    role = iam._roles.get_scoped(account, None, name)
    return role["Arn"] if role else f"arn:aws:iam::{account}:role/{name}"
