"""Run MiniStack as Latchkey's local AWS, with our corrections.

    python launcher.py --port 4566 --account 111111111111 --data-dir target/local-aws-data

Stays in the foreground. Ready when ``GET /_ministack/health`` answers 200. Ends, with every
Lambda process it started, on SIGTERM, on SIGINT and when its parent process ends.
"""

import argparse
import re
import socket
import sys
from importlib import metadata
from pathlib import Path

from latchkey_local.processes import supervise
from latchkey_local.settings import Settings, replace_environment

# The corrections wrap functions that are internal to MiniStack: they hold for this version alone.
SUPPORTED_MINISTACK = "1.5.33"


def account_id(text):
    """A 12-digit AWS account ID."""
    if not re.fullmatch(r"[0-9]{12}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a 12-digit account ID")
    return text


def port_number(text):
    """A TCP port that a server can be reached on."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port between 1 and 65535")
    return int(text)


def parse_arguments(arguments):
    """The settings that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", required=True, type=port_number, help="port on 127.0.0.1")
    parser.add_argument("--account", required=True, type=account_id, help="the vendor's account")
    parser.add_argument("--data-dir", required=True, type=Path, help="HOME and TMPDIR are made below it")
    parser.add_argument("--cloudformation-account", default="999999999999", type=account_id,
                        help="account that owns the buckets CloudFormation takes answers in")
    parsed = parser.parse_args(arguments)
    return Settings(parsed.port, parsed.account, parsed.data_dir.resolve(), parsed.cloudformation_account)


def refuse_other_versions():
    """End with a clear message unless exactly the supported MiniStack is installed."""
    try:
        installed = metadata.version("ministack")
    except metadata.PackageNotFoundError:
        installed = "none"
    if installed != SUPPORTED_MINISTACK:
        sys.exit(f"launcher: the corrections need ministack {SUPPORTED_MINISTACK}, found {installed}: "
                 f"install xtask/local-aws/requirements.txt, or port the corrections to the new version")


def refuse_taken_port(port):
    """End with a clear message when something already listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            sys.exit(f"launcher: cannot listen on 127.0.0.1:{port}: {error.strerror}")


def serve(settings):
    """The body of the server process: MiniStack is imported only here, after its environment is set."""
    replace_environment(settings)
    from latchkey_local.server import run

    return run(settings)


def main():
    """Check what can be checked at once, then supervise the server until the end."""
    settings = parse_arguments(sys.argv[1:])
    refuse_other_versions()
    refuse_taken_port(settings.port)
    sys.exit(supervise(lambda: serve(settings)))


if __name__ == "__main__":
    main()
