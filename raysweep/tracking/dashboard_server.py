"""The process behind `dashboard.serve`: `python -m raysweep.tracking.dashboard_server ROOT PORT`.

PORT 0 is any free one. Prints the port when it accepts connections; exits when stdin closes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading


def main(root: str, port: int) -> None:
    """Serve Trackio's dashboard of the folder `root` until stdin closes."""
    os.environ["TRACKIO_DIR"] = root  # Trackio reads it at import
    port_line = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # Trackio prints
        import uvicorn
        from trackio.server import build_starlette_app_only
        from trackio.sqlite_storage import SQLiteStorage

        SQLiteStorage._dataset_import_attempted = True  # else it may download from the Hub first
        app, _write_token = build_starlette_app_only()
        listener = socket.create_server(("127.0.0.1", port), backlog=128)
        threading.Thread(target=_end_with_stdin, daemon=True).start()
        # The kernel accepts connections from here on, and queues them until the server is ready.
        print(listener.getsockname()[1], file=port_line, flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


def _end_with_stdin() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
