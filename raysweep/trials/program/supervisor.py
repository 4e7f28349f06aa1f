"""The process between a worker and a program, so that nothing of the program is left behind.

`python supervisor.py COMMAND…` runs the command in a session of its own. Whatever ends the worker,
`kill -9` too, ends the supervisor (the kernel sends it SIGTERM), and the supervisor ends the whole
group of the program. It ends as the program ended: with its exit code, or by its signal. It imports
nothing but the standard library, and as little of it as it can: it starts with each trial.
"""

import contextlib
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
NOT_FOUND, NOT_EXECUTABLE = 127, 126


def main(parent: int, command: "list[str]") -> int:
    """Run the command to its end. `parent`: the worker, which may be gone already."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        os.setsid()
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        try:
            os.execvp(command[0], command)
        except OSError as error:
            print(f"{command[0]}: {error.strerror}", file=sys.stderr, flush=True)
            os._exit(NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE)

    def end(*_: object) -> None:
        kill(child)
        os._exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.getppid() != parent:
        end()
    status = wait(child)
    kill(child)  # what it left running in its group
    if os.WIFSIGNALED(status):
        ended_by = os.WTERMSIG(status)
        if ended_by not in (signal.SIGKILL, signal.SIGSTOP):  # which have no handler
            signal.signal(ended_by, signal.SIG_DFL)
        os.kill(os.getpid(), ended_by)
    return os.WEXITSTATUS(status)


def wait(child: int) -> int:
    """Wait for the program; collect whatever else it leaves to us."""
    while True:
        ended, status = os.wait()
        if ended == child:
            return status


def kill(group: int) -> None:
    """Kill all processes of the group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
