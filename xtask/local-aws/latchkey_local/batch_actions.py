"""Correction: SQS's batch calls are allowed by the action of the single call."""

from .wrapping import wrap

SINGLE_ACTIONS = {
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
}


def apply():
    """Ask policies for the action that AWS asks for.

    AWS: IAM has no action for the three batch calls of SQS; the policy that allows the single call
    allows the batch. MiniStack asks for an action named after the batch call, so that a
    least-privilege policy is refused.
    """
    from ministack.core import iam_actions

    def make_wrapper(original):
        def extract(service, method, path, headers, body, query_params):
            action = original(service, method, path, headers, body, query_params)
            return SINGLE_ACTIONS.get(action, action)
        return extract

    parameters = ("service", "method", "path", "headers", "body", "query_params")
    wrap(iam_actions, "extract_iam_action", parameters, make_wrapper)
