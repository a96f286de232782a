"""Correction: what a session says of itself (source identity, transitive tags), and the limits of AssumeRole."""

import contextvars
import dataclasses
import re
from urllib.parse import parse_qs

from .wrapping import wrap

# What the AssumeRole that is being answered asks for beside the role.
_asked = contextvars.ContextVar("latchkey_assume_role", default=None)
_LONGEST_SECONDS = 43200
_CHAINED_SECONDS = 3600


@dataclasses.dataclass
class Asked:
    """One AssumeRole request, with what its caller's own session hands on."""

    parameters: dict
    caller: str
    session: dict
    tags: list

    def one(self, name, default=None):
        return self.parameters.get(name, [default])[0]

    @property
    def transitive(self):
        names, number = [], 1
        while name := self.one(f"TransitiveTagKeys.member.{number}"):
            names.append(name)
            number += 1
        return names

    @property
    def inherited(self):
        handed_on = self.session.get("TransitiveTagKeys", [])
        return [tag for tag in self.session.get("SessionTags") or [] if tag["Key"] in handed_on]

    @property
    def identity(self):
        return self.session.get("SourceIdentity") or self.one("SourceIdentity")


def apply():
    """Keep what a session says of itself, ask for the rights to say it, and hold AssumeRole to its limits.

    AWS: a source identity and transitive tags go from session to session and cannot be changed on the way.
    ``sts:SetSourceIdentity`` and ``sts:TagSession`` are asked of the caller's own policies and of the trust policy,
    durations and names have limits, and a chained session lives an hour at most. MiniStack drops the source identity
    and which tags are transitive, asks for TagSession in the trust policy alone, and takes any duration.
    """
    from ministack.core import iam_evaluator as evaluator
    from ministack.core.router import extract_access_key_id
    from ministack.services import sts

    def make_handler(original):
        async def handle_request(method, path, headers, body, query_params):
            parameters = {**query_params, **parse_qs((body or b"").decode("utf-8", "replace"))}
            if parameters.get("Action") != ["AssumeRole"]:
                return await original(method, path, headers, body, query_params)
            caller = extract_access_key_id(headers, query_params)
            asked = Asked(parameters, caller, sts._sessions.get(caller, {}), sts._extract_tags(parameters))
            token = _asked.set(asked)
            try:
                if refused := _refusal(asked):
                    code, message = refused
                    return sts._error(403 if code == "AccessDenied" else 400, code, message, ns="sts")
                status, answer_headers, answer = await original(method, path, headers, body, query_params)
            finally:
                _asked.reset(token)
            if status == 200 and asked.identity:
                told = f"<SourceIdentity>{asked.identity}</SourceIdentity></AssumeRoleResult>".encode()
                answer = answer.replace(b"</AssumeRoleResult>", told)
                answer_headers = {name: value for name, value in answer_headers.items() if name.lower() != "content-length"}
            return status, answer_headers, answer
        return handle_request

    def make_trust(original):
        def evaluate_trust_policy(trust_doc, caller_arn, ctx=None):
            asked = _asked.get()
            if ctx is not None and asked:
                said = {"sts:sourceidentity": asked.identity, "sts:transitivetagkeys": asked.transitive}
                said = {key: value for key, value in said.items() if value}
                ctx = dataclasses.replace(ctx, service_context={**ctx.service_context, **said})
            return original(trust_doc, caller_arn, ctx)
        return evaluate_trust_policy

    def make_register(original):
        def register_session(access_key, session):
            if asked := _asked.get():
                session["SourceIdentity"] = asked.identity
                session["SessionTags"] = asked.inherited + list(session.get("SessionTags") or [])
                session["TransitiveTagKeys"] = [tag["Key"] for tag in asked.inherited] + asked.transitive
            return original(access_key, session)
        return register_session

    def make_keys(original):
        def principal_keys(credential):
            identity = sts._sessions.get(credential.access_key_id, {}).get("SourceIdentity")
            return {**original(credential), **({"aws:sourceidentity": identity} if identity else {})}
        return principal_keys

    wrap(evaluator, "evaluate_trust_policy", ("trust_doc", "caller_arn", "ctx"), make_trust)
    wrap(evaluator, "_principal_keys", ("credential",), make_keys)
    wrap(sts, "register_session", ("access_key", "session"), make_register)
    wrap(sts, "handle_request", ("method", "path", "headers", "body", "query_params"), make_handler)


def _refusal(asked):
    """The code and message of the refusal that AWS gives, or None."""
    role_arn = asked.one("RoleArn", "")
    role = _role(role_arn)
    duration = int(asked.one("DurationSeconds", "3600"))
    invalid = "1 validation error detected: Value at '{}' failed to satisfy constraint"
    if not 900 <= duration <= _LONGEST_SECONDS:
        return "ValidationError", invalid.format("durationSeconds")
    if asked.session.get("PrincipalType") == "AssumedRole" and duration > _CHAINED_SECONDS:
        return "ValidationError", ("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed "
                                   "by role chaining")
    if role and duration > int(role.get("MaxSessionDuration") or 3600):
        return "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    if not re.fullmatch(r"[\w+=,.@-]{2,64}", asked.one("RoleSessionName", ""), re.ASCII):
        return "ValidationError", invalid.format("roleSessionName")
    identity = asked.one("SourceIdentity")
    if identity is not None and not re.fullmatch(r"(?!aws:)[\w+=,.@-]{2,64}", identity, re.ASCII):
        return "ValidationError", invalid.format("sourceIdentity")
    if len(asked.tags) > 50:
        return "ValidationError", invalid.format("tags")
    keys = {tag["Key"].lower() for tag in asked.tags}
    if not {key.lower() for key in asked.transitive} <= keys:
        return "InvalidParameterValue", "The specified transitive tag key must be included in the requested tags."
    if keys & {tag["Key"].lower() for tag in asked.inherited}:
        return "InvalidParameterValue", ("One of the specified transitive tag keys can't be set because it conflicts "
                                         "with a transitive tag key from the calling session.")
    kept = asked.session.get("SourceIdentity")
    if kept and identity and identity != kept:
        return _denied(asked.session["Arn"], "sts:SetSourceIdentity", role_arn)
    wanted = {"sts:TagSession": asked.tags or asked.inherited, "sts:SetSourceIdentity": asked.identity}
    for action in [action for action, said in wanted.items() if said]:
        if refused := _not_allowed(asked, action, role_arn, role):
            return refused
    return None


def _not_allowed(asked, action, role_arn, role):
    """The refusal unless both the caller's own policies and the trust policy allow ``action``."""
    from ministack.core import iam_evaluator as evaluator
    from ministack.core.responses import get_account_id, get_region

    principal = evaluator.resolve_principal(asked.caller, get_account_id())
    if not hasattr(principal, "policies"):
        return None  # MiniStack's own check tells that the credentials are none.
    context = evaluator.EvalContext(
        principal.arn, principal.type, principal.account, action, role_arn, get_region(),
        principal_keys=principal.keys, request_tags={tag["Key"]: tag["Value"] for tag in asked.tags},
        tag_keys=[tag["Key"] for tag in asked.tags])
    own = principal.policies
    may = own is None or evaluator.evaluate(context, own, *principal.limits).decision == "Allow"
    trusted = role is None or evaluator.evaluate_trust_policy(role["AssumeRolePolicyDocument"], principal.arn, context)
    return None if may and trusted else _denied(principal.arn, action, role_arn)


def _denied(who, action, role_arn):
    return "AccessDenied", f"User: {who} is not authorized to perform: {action} on resource: {role_arn}"


def _role(arn):
    from ministack.services import iam

    parts = arn.split(":")
    return iam._roles.get_scoped(parts[4], None, arn.rsplit("/", 1)[-1]) if len(parts) > 5 else None
