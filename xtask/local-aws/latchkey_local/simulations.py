"""Correction: calls about a role are authorised on that role, path and all, and a simulation of its policies is held
against what the caller tells of the request."""

from .organizations import levels
from .wrapping import wrap

# What a simulated request says, as the caller told it; the mark of a simulated one.
_TOLD = "latchkey:told"


def apply():
    """Let a role that may look at itself do so, and simulate what a role may do.

    AWS: ``iam:SimulatePrincipalPolicy`` is authorised on the principal that ``PolicySourceArn`` names, ``iam:GetRole``
    and its like on the role's own ARN, and a role with a path is simulated like any other. Its permissions boundary and
    its organization's service control policies count, and the answer says whether they allow. Conditions are held
    against the ``ContextEntries`` alone; the keys that are missing there are told, but for those of an organization, and
    beside the resource where one was named. MiniStack authorises the one on ``*`` and the others on an ARN without the
    path, takes the path for a part of the role's name, so that nothing is allowed, and reads neither entries nor limits.
    """
    from ministack.core import iam_actions
    from ministack.core import iam_evaluator as evaluator
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
            kind, _, rest = iam._p(p, "PolicySourceArn").partition(":role/")
            return _simulate(p, kind.rpartition(":")[2], rest.rpartition("/")[2]) if rest else original(p)
        return simulate

    def make_key(original):
        def resolve(key, ctx):
            told = ctx.service_context.get(_TOLD)
            return original(key, ctx) if told is None else told.get(key.lower())
        return resolve

    parameters = ("service", "method", "path", "headers", "body", "query_params", "region", "account_id")
    wrap(iam_actions, "extract_resource_arn", parameters, make_resource)
    wrap(iam, "_simulate_principal_policy", ("p",), make_simulation)
    wrap(evaluator, "_resolve_condition_key", ("key", "ctx"), make_key)


def _simulate(p, account, role):
    from ministack.core import iam_evaluator as evaluator
    from ministack.services import iam

    actions, resource = iam._extract_simulate_params(p)
    policies = evaluator._gather_role_policies(role, account)
    boundary, organization = evaluator._permissions_boundary(iam._roles, role, account), levels(account)
    told = _told(p, iam)
    asked = {key.lower(): key for layer in [policies, *boundary] for statements in layer for statement in statements
             for keys in statement.conditions.values() for key in keys}
    missing = _members("MissingContextValues", [asked[key] for key in sorted(asked) if key not in told])
    results = ""
    for action in actions:
        context = evaluator.EvalContext(
            principal_arn=iam._p(p, "PolicySourceArn"), principal_type="AssumedRole", principal_account=account,
            action=action, resource_arn=resource, region="", service_context={_TOLD: told})

        def allows(layers):
            return str(all(evaluator.evaluate(context, layer).decision == "Allow" for layer in layers)).lower()

        found = evaluator.evaluate(context, policies, *boundary, *organization).decision
        decision = {"Allow": "allowed", "Deny": "explicitDeny"}.get(found, "implicitDeny")
        results += f"<member><EvalActionName>{action}</EvalActionName><EvalResourceName>{resource}</EvalResourceName>" \
                   f"<EvalDecision>{decision}</EvalDecision><MatchedStatements/>"
        if organization:
            results += "<OrganizationsDecisionDetail><AllowedByOrganizations>" \
                       f"{allows(organization)}</AllowedByOrganizations></OrganizationsDecisionDetail>"
        if boundary:
            results += "<PermissionsBoundaryDecisionDetail><AllowedByPermissionsBoundary>" \
                       f"{allows(boundary)}</AllowedByPermissionsBoundary></PermissionsBoundaryDecisionDetail>"
        if resource == "*":
            results += missing
        else:
            results += f"<MissingContextValues/><ResourceSpecificResults><member><EvalResourceName>{resource}</EvalResourceName>" \
                       f"<EvalResourceDecision>{decision}</EvalResourceDecision>{missing}</member>" \
                       "</ResourceSpecificResults>"
        results += "</member>"
    return iam._xml(200, "SimulatePrincipalPolicyResponse",
                    f"<SimulatePrincipalPolicyResult><EvaluationResults>{results}</EvaluationResults>"
                    "<IsTruncated>false</IsTruncated></SimulatePrincipalPolicyResult>", ns="iam")


def _told(p, iam):
    """The context entries, by their keys in lower case."""
    told, number = {}, 1
    while key := iam._p(p, f"ContextEntries.member.{number}.ContextKeyName"):
        values, at = [], 1
        while value := iam._p(p, f"ContextEntries.member.{number}.ContextKeyValues.member.{at}"):
            values.append(value)
            at += 1
        told[key.lower()] = values if len(values) != 1 else values[0]
        number += 1
    return told


def _members(name, values):
    return f"<{name}>" + "".join(f"<member>{value}</member>" for value in values) + f"</{name}>"
