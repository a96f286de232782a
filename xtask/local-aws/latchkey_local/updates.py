"""Correction: a stack update cannot change a custom resource's ServiceToken.

The rest of an update MiniStack does as AWS does: a request only where a property changed, with
OldResourceProperties; a Delete for the old id after an Update that answered a new one; after a
FAILED Update a second one with the old properties. The self-test holds it to that.
"""

from .wrapping import wrap

_PARAMETERS = ("resource_type", "old_props", "new_props", "physical_id")


def apply():
    """AWS: refuse the change before anyone is asked, so that there is nothing to send back either."""
    from ministack.services.cloudformation import provisioners, stacks  # noqa: F401 - both hold it

    def make_wrapper(original):
        def replacement_error(resource_type, old_props, new_props, physical_id=None):
            if (_is_custom(resource_type)
                    and old_props.get("ServiceToken") != new_props.get("ServiceToken")):
                return "Modifying service token is not allowed."
            return original(resource_type, old_props, new_props, physical_id)
        return replacement_error

    wrap(provisioners, "_custom_named_replacement_error", _PARAMETERS, make_wrapper)


def _is_custom(resource_type):
    return resource_type.startswith("Custom::") or resource_type == "AWS::CloudFormation::CustomResource"
