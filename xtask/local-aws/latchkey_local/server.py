"""The server process: MiniStack with the corrections, until SIGTERM."""

import asyncio
import signal

from . import batch_actions, conditions, custom_resources, iam_routes, organizations, principal_arn, rollback, sessions, simulations, sns_to_lambda, stack_names, tables, template_urls, topic_policies, updates
from .answers import PendingAnswers
from .processes import ORDERLY_END, end_hard_after
from .response_urls import ResponseUrls

# How long open connections get at the end, in seconds: a long poll would otherwise hold it up.
CONNECTION_GRACE = 0.5


def apply_corrections(settings):
    """Apply every correction, or raise MiniStackChanged: a half-corrected AWS is not served."""
    pending = PendingAnswers()
    principal_arn.apply()
    batch_actions.apply()
    organizations.apply()
    simulations.apply()
    custom_resources.apply(ResponseUrls(settings.cloudformation_account), pending)
    rollback.apply(pending)
    updates.apply()
    sns_to_lambda.apply()
    template_urls.apply()
    stack_names.apply()
    conditions.apply()
    topic_policies.apply()
    tables.apply()
    iam_routes.apply()
    sessions.apply()


def run(settings):
    """Serve on 127.0.0.1 until SIGTERM or SIGINT; the exit code."""
    from ministack.app import app

    apply_corrections(settings)
    asyncio.run(_serve(app, settings.port))
    return 0


async def _serve(app, port):
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    # As MiniStack's own start has it: longer than an SDK keeps an idle connection.
    config.keep_alive_timeout = 75
    config.graceful_timeout = CONNECTION_GRACE
    config.loglevel = "WARNING"
    asked_to_end = asyncio.Event()

    def end():
        # A Lambda invocation that still runs would hold up the end of the thread pool.
        end_hard_after(ORDERLY_END / 2)
        asked_to_end.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    await serve(app, config, shutdown_trigger=asked_to_end.wait)
