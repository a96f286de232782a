"""Nothing that the launcher starts outlives it.

Two processes: the launcher itself supervises, its child serves, and the child starts the Lambda
processes. Whichever of the two dies, however it dies, the other one notices and ends the rest.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

# How long the server may take for an orderly end before it is killed, in seconds.
ORDERLY_END = 6.0
# How often the two processes look whether their parent still lives, in seconds.
WATCH_INTERVAL = 0.1

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def supervise(server):
    """Run ``server`` in a child process until it ends, a signal comes or our parent dies; the exit code.

    Our own parent is watched by polling and not with PR_SET_PDEATHSIG: that signal comes when
    the *thread* that started us ends, and a test harness starts us from short-lived threads.
    """
    asked_to_end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked_to_end.set())
    parent, supervisor = os.getppid(), os.getpid()
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _serve_under(supervisor, server)
    kill_at = None
    while (status := _ended(child)) is None:
        if kill_at is None and (asked_to_end.is_set() or os.getppid() != parent):
            os.kill(child, signal.SIGTERM)
            kill_at = time.monotonic() + ORDERLY_END
        elif kill_at is not None and time.monotonic() > kill_at:
            os.kill(child, signal.SIGKILL)
        time.sleep(WATCH_INTERVAL)
    enddescendants()
    return 0 if asked_to_end.is_set() or kill_at is not None else max(os.waitstatus_to_exitcode(status), 1)


def enddescendants():
    """Kill every process below this one, and wait for those that are its children.

    As the supervisor is a subreaper, the Lambda processes of a dead server are its children.
    """
    while found := descendants(os.getpid()):
        for process in found:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for process in found:
            try:
                os.waitpid(process, 0)
            except ChildProcessError:
                continue


def end_hard_after(seconds):
    """Leave this process in ``seconds`` whatever it waits for, taking its descendants along."""
    def leave():
        enddescendants()
        os._exit(1)

    timer = threading.Timer(seconds, leave)
    timer.daemon = True
    timer.start()


def _serve_under(supervisor, server):
    """The child: end orderly, as on SIGTERM, when the supervisor is gone, even by SIGKILL."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    # The supervisor has one thread, so here the death signal means the process.
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    threading.Thread(target=_end_without, args=(supervisor,), daemon=True).start()
    code = 1
    try:
        code = server()
    except BaseException:  # the traceback has to reach the user before the process is left
        sys.excepthook(*sys.exc_info())
    finally:
        enddescendants()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _end_without(supervisor):
    """Send ourselves SIGTERM once the supervisor is gone: the portable form of the death signal."""
    while os.getppid() == supervisor:
        time.sleep(WATCH_INTERVAL)
    os.kill(os.getpid(), signal.SIGTERM)


def _ended(child):
    """The wait status of ``child``, or None while it runs."""
    found, status = os.waitpid(child, os.WNOHANG)
    return status if found else None


def _prctl(option, value):
    """Linux's prctl; other systems have only the polling."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def descendants(root):
    """The ids of all running processes below ``root``."""
    children = {}
    for process, parent in _parents():
        children.setdefault(parent, []).append(process)
    found, open_ids = [], [root]
    while open_ids:
        below = children.get(open_ids.pop(), [])
        found += below
        open_ids += below
    return found


def _parents():
    """(process, parent) of every process."""
    if sys.platform == "linux":
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                # pid (name) state ppid …; the name may itself hold spaces and brackets.
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            yield int(stat.parent.name), int(fields[1])
        return
    with subprocess.Popen(["ps", "-axo", "pid=,ppid="], stdout=subprocess.PIPE, text=True) as ps:
        rows = [tuple(map(int, line.split())) for line in ps.stdout]
    yield from (row for row in rows if row[0] != ps.pid)
