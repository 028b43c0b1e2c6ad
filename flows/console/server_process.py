"""Prefect's embedded server, which ends with its parent.

`python -m flows.console.server_process PORT`
"""

import os
import sys
import threading

__all__ = ["main"]


def _end_with_parent() -> None:
    """End this process when its standard input ends: whoever started it is gone."""

    def watch() -> None:
        # Unbuffered: a buffered reader's lock would still be held when the process ends.
        while os.read(sys.stdin.fileno(), 1):
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main(port: int) -> None:
    """Serve on loopback until the parent ends."""
    _end_with_parent()
    # Imported here: it takes seconds, in which the parent may end.
    import uvicorn

    # Told to end, it waits a second for open connections, as the parent's own web socket for
    # events is one; Prefect would kill it after five.
    uvicorn.run("prefect.server.api.server:create_app", factory=True, host="127.0.0.1", port=port,
                log_level="error", lifespan="on", timeout_graceful_shutdown=1)  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]))
