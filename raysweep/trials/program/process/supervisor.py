"""The process between a worker and a program, so that nothing of the program is left behind.

`python supervisor.py WORKER COMMAND…` runs the command in a session of its own. Whatever ends the
worker, `kill -9` too, ends the supervisor (the kernel sends it SIGTERM), and the supervisor kills
the program and all its descendants, also those that have left its process group: orphans become
children of the supervisor. It ends as the program ended: with its exit code, or by its signal. It
imports nothing but the standard library, and as little of it as it can: it starts with each trial.

There are two, one above the other: a Ray worker that exits kills its own children by SIGKILL, and
so does who picks a process by lot. Whichever supervisor dies, the other one kills the rest.
"""

import contextlib
import ctypes
import os
import signal
import sys

TYPE_CHECKING = False  # importing typing takes 5 ms
if TYPE_CHECKING:
    from collections.abc import Callable

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
NOT_FOUND, NOT_EXECUTABLE = 127, 126
_HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE)


def main(worker: int, command: "list[str]") -> int:
    """Run the command to its end under two supervisors. `worker`: the parent's id; it may be gone
    already."""
    return supervise(worker, lambda outer: supervise(outer, lambda inner: run(inner, command)))


def supervise(parent: int, start: "Callable[[int], int]") -> int:
    """Fork a process that calls `start` with our id and ends with what it returns; wait for it, and
    end as it ended, with nothing left that descends from it."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    signal.pthread_sigmask(signal.SIG_SETMASK, _HANDLED)  # until there is a handler
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    for number in _HANDLED:
        signal.signal(number, signal.SIG_DFL)
    me = os.getpid()
    child = os.fork()
    if child == 0:
        os._exit(start(me))

    def end(*_: object) -> None:
        kill_all(child)
        os._exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if os.getppid() != parent:
        end()
    status = wait(child)
    signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
    kill_all(child)  # what it left running
    if os.WIFSIGNALED(status):
        die_by(os.WTERMSIG(status))
    return os.WEXITSTATUS(status)


def run(supervisor: int, command: "list[str]") -> int:
    """Become the program, in a session of its own. Returns only if there is no such program."""
    os.setsid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if os.getppid() != supervisor:
        return NOT_EXECUTABLE
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr, flush=True)
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE


def wait(child: int) -> int:
    """Wait for the program; collect whatever else it leaves to us."""
    while True:
        ended, status = os.wait()
        if ended == child:
            return status


def kill_all(group: int) -> None:
    """Kill the group, then each orphan that comes to us, until there is none."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
    while orphans := children():
        for pid in orphans:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        for pid in orphans:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def children() -> "list[int]":
    """Return the ids of our children: of the main thread, which is the only one."""
    me = os.getpid()
    with open(f"/proc/{me}/task/{me}/children") as file:  # noqa: PTH123 - pathlib costs 10 ms
        return [int(pid) for pid in file.read().split()]


def die_by(number: int) -> None:
    """End by the signal that ended the program, so that our parent sees it."""
    if number not in (signal.SIGKILL, signal.SIGSTOP):  # which have no handler
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.kill(os.getpid(), number)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
