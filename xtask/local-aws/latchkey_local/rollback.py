"""Correction: what CloudFormation asks custom resources to undo after a failed or abandoned Create."""

import asyncio
import secrets
import string

from .wrapping import wrap

# AWS's reason for a resource whose creation was abandoned.
CANCELLED = "Resource creation cancelled"

_DEPLOY_PARAMETERS = ("stack_name", "stack_id", "template", "param_values", "disable_rollback", "tags",
                      "is_update", "previous_stack", "retain_except_on_create", "imports")
_DELETE_PARAMETERS = ("stack_name", "stack_id", "retain_resources", "force")
_ROLL_BACK_PARAMETERS = ("stack_name", "stack_id", "stack", "operation", "reason_override")

# Stacks that are being created or updated, each with the future that its end settles.
_running = {}
# Stacks that are deleted although they are still being created.
_abandoned = set()
# Stacks whose deletion has begun.
_deleting = set()


def is_abandoned(stack_id):
    """Whether the stack is deleted although it is still being created."""
    return stack_id in _abandoned


def remember_failed_create(stack_name, logical_id, resource_type, props, physical_id, reason):
    """Keep a resource whose Create failed in its stack, so that rollback or deletion sends its Delete.

    AWS: the Delete names the PhysicalResourceId of the FAILED answer. Where no valid answer named
    one (none came in time, it was invalid, the Create was abandoned) CloudFormation invents it.
    MiniStack forgets the resource instead. Called in the resource's thread; the record is set on the
    event loop, which runs this before it learns of the failure.
    """
    from ministack import app
    from ministack.core.responses import now_iso
    from ministack.services.cloudformation import _stacks

    record = {
        "PhysicalResourceId": physical_id or invented_physical_id(stack_name, logical_id),
        "ResourceType": resource_type,
        "ResourceStatus": "CREATE_FAILED",
        "ResourceStatusReason": reason,
        "LogicalResourceId": logical_id,
        "Properties": props,
        "Attributes": {},
        "Timestamp": now_iso(),
    }
    app._MAIN_LOOP.call_soon_threadsafe(_stacks.get(stack_name)["_resources"].__setitem__, logical_id, record)


def invented_physical_id(stack_name, logical_id):
    """The form of the ids that CloudFormation invents."""
    random = "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(12))
    return f"{stack_name}_{logical_id}_{random}"


def apply(pending):
    """Send the Deletes, and let a stack be deleted while it waits for a custom resource."""
    from ministack.services.cloudformation import changesets, handlers, stacks  # noqa: F401 - all three hold them

    wrap(stacks, "_roll_back_operation", _ROLL_BACK_PARAMETERS, _roll_back_wrapper)
    wrap(stacks, "_deploy_stack_async", _DEPLOY_PARAMETERS, _deploy_wrapper)
    wrap(stacks, "_delete_stack_async", _DELETE_PARAMETERS, _delete_wrapper(pending))


def _roll_back_wrapper(original):
    """Include a failed Create in the rollback, and keep what the rollback could not delete.

    AWS: a resource whose rollback Delete fails stays in the ROLLBACK_FAILED stack, and deleting the
    stack tries again. MiniStack forgets it.
    """
    async def roll_back(stack_name, stack_id, stack, operation, reason_override=""):
        if is_abandoned(stack_id):
            return
        failed_id = operation.get("failed_logical_id")
        failed = stack.get("_resources", {}).get(failed_id, {})
        if failed.get("ResourceStatus") == "CREATE_FAILED" and failed_id not in operation["created"]:
            operation = {**operation, "created": [*operation["created"], failed_id]}
        before = dict(stack.get("_resources", {}))
        await original(stack_name, stack_id, stack, operation, reason_override)
        if stack.get("StackStatus") == "ROLLBACK_FAILED":
            for logical_id in stack["_rollback_failed"]:
                stack["_resources"][logical_id] = {**before[logical_id], "ResourceStatus": "DELETE_FAILED"}
    return roll_back


def _deploy_wrapper(original):
    async def deploy(stack_name, stack_id, template, param_values, disable_rollback, tags, is_update=False,
                     previous_stack=None, retain_except_on_create=False, imports=None):
        ended = _running[stack_id] = asyncio.get_running_loop().create_future()
        try:
            await original(stack_name, stack_id, template, param_values, disable_rollback, tags, is_update,
                           previous_stack, retain_except_on_create, imports)
        finally:
            del _running[stack_id]
            ended.set_result(None)
    return deploy


def _delete_wrapper(pending):
    """AWS: deleting a stack that is being created abandons the resource in flight, then deletes all.

    The abandoned custom resource gets a Delete with an invented PhysicalResourceId. MiniStack deletes
    what exists at that moment and lets the creation go on. And a second DeleteStack changes nothing on
    AWS, where MiniStack deletes everything twice at the same time.
    """
    def make_wrapper(original):
        async def delete(stack_name, stack_id, retain_resources=(), force=False):
            from ministack.services.cloudformation import _stacks

            if stack_id in _deleting:
                return
            _deleting.add(stack_id)
            try:
                if stack_id in _running:
                    if _stacks.get(stack_name, {}).get("StackStatus") == "CREATE_IN_PROGRESS":
                        _abandoned.add(stack_id)
                        pending.cancel(stack_id, CANCELLED)
                    await _running[stack_id]
                await original(stack_name, stack_id, retain_resources, force)
            finally:
                _abandoned.discard(stack_id)
                _deleting.discard(stack_id)
        return delete
    return make_wrapper
