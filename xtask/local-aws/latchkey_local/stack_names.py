"""Correction: the name of a stack whose creation was rolled back is still taken."""

from .wrapping import wrap


def apply():
    """AWS: a ROLLBACK_COMPLETE stack has to be deleted before its name can be used again.

    So a customer whose first attempt failed deletes the stack before the same link works. MiniStack
    replaces it.
    """
    from ministack.services.cloudformation import handlers, helpers

    def make_wrapper(original):
        def create_stack(params):
            from ministack.services.cloudformation import _stacks

            name = helpers._p(params, "StackName")
            if _stacks.get(name, {}).get("StackStatus") == "ROLLBACK_COMPLETE":
                return helpers._error("AlreadyExistsException", f"Stack [{name}] already exists")
            return original(params)
        return create_stack

    wrap(handlers, "_create_stack", ("params",), make_wrapper)
