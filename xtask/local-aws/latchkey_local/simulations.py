"""Correction: a simulation of a role's policies is authorised on that role, and finds it by its path."""

from .wrapping import wrap


def apply():
    """Let a role that may simulate itself do so, with and without a path.

    AWS: ``iam:SimulatePrincipalPolicy`` is authorised on the principal that ``PolicySourceArn`` names, and
    a role with a path is simulated like any other. MiniStack authorises it on ``*``, so that a policy for
    the role alone is refused, and takes the path for a part of the role's name, so that nothing is allowed.
    """
    from ministack.core import iam_actions
    from ministack.services import iam

    def make_resource(original):
        def extract(service, method, path, headers, body, query_params, region, account_id):
            arn = original(service, method, path, headers, body, query_params, region, account_id)
            if service == "iam" and arn == "*":
                return iam_actions._query_param(query_params, "PolicySourceArn") or arn
            return arn
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
