"""Correction: calls about a role are authorised on that role, path and all, and a simulation finds it by its path."""

from .wrapping import wrap


def apply():
    """Let a role that may look at itself do so, with and without a path.

    AWS: ``iam:SimulatePrincipalPolicy`` is authorised on the principal that ``PolicySourceArn`` names, ``iam:GetRole``
    and its like on the role's own ARN, and a role with a path is simulated like any other. MiniStack authorises the
    one on ``*`` and the others on an ARN without the path, so that a policy for the role alone is refused, and takes
    the path for a part of the role's name, so that nothing is allowed.
    """
    from ministack.core import iam_actions
    from ministack.services import iam

    def make_resource(original):
        def extract(service, method, path, headers, body, query_params, region, account_id):
            arn = original(service, method, path, headers, body, query_params, region, account_id)
            if service != "iam":
                return arn
            if arn == "*":
                return iam_actions._query_param(query_params, "PolicySourceArn") or arn
            role = iam._roles.get_scoped(account_id, None, iam_actions._query_param(query_params, "RoleName"))
            return (role or {}).get("Arn") or arn
        return extract

    def make_simulation(original):
        def simulate(p):
            return original({**p, "PolicySourceArn": _without_path(p.get("PolicySourceArn"))})
        return simulate

    parameters = ("service", "method", "path", "headers", "body", "query_params", "region", "account_id")
    wrap(iam_actions, "extract_resource_arn", parameters, make_resource)
    wrap(iam, "_simulate_principal_policy", ("p",), make_simulation)


def _without_path(value):
    """The same role's ARN without its path, in the list or text that a parameter is."""
    if isinstance(value, list):
        return [_without_path(each) for each in value]
    start, role, rest = str(value or "").partition(":role/")
    return f"{start}{role}{rest.rpartition('/')[2]}" if role else value
