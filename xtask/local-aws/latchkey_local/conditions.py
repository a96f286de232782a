"""Correction: a template's conditions know where the stack is."""

from .wrapping import wrap


def apply():
    """AWS: a condition may refer to the pseudo parameters, such as AWS::Region.

    So a StackSet of several regions makes its role in one of them. MiniStack takes such a Ref for a text.
    """
    from ministack.core.responses import get_account_id, get_region
    from ministack.services.cloudformation import engine

    def make_wrapper(original):
        def evaluate_conditions(template, params):
            here = {
                "AWS::AccountId": {"Value": get_account_id()},
                "AWS::Partition": {"Value": "aws"},
                "AWS::Region": {"Value": get_region()},
            }
            return original(template, {**here, **params})
        return evaluate_conditions

    wrap(engine, "_evaluate_conditions", ("template", "params"), make_wrapper)
