"""Correction: a template's conditions know where the stack is, and can join and split texts."""

from .wrapping import wrap

# What AWS computes within a condition and MiniStack leaves as it stands, without an error.
TEXT_FUNCTIONS = ("Fn::Join", "Fn::Split")


def apply():
    """AWS: a condition may refer to the pseudo parameters, and hold texts against each other that it makes.

    So a StackSet of several regions makes its role in one of them, and a resource is made where a list
    of regions names its region. MiniStack takes such a Ref for a text, and compares the function itself.
    """
    from ministack.core.responses import get_account_id, get_region
    from ministack.services.cloudformation import engine

    def computed(node, params):
        if isinstance(node, list):
            return [computed(item, params) for item in node]
        if not isinstance(node, dict):
            return node
        if any(function in node for function in TEXT_FUNCTIONS):
            return engine._resolve_refs(node, {}, params, {}, {}, "", "")
        return {key: computed(value, params) for key, value in node.items()}

    def make_wrapper(original):
        def evaluate_conditions(template, params):
            here = {
                "AWS::AccountId": {"Value": get_account_id()},
                "AWS::Partition": {"Value": "aws"},
                "AWS::Region": {"Value": get_region()},
            }
            conditions = computed(template.get("Conditions", {}), params)
            return original({**template, "Conditions": conditions}, {**here, **params})
        return evaluate_conditions

    wrap(engine, "_evaluate_conditions", ("template", "params"), make_wrapper)
