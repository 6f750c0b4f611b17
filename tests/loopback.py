"""A port of this machine that stays one test's own, also while no server is at it."""

import socket
import threading
from typing import Self

import uvicorn


class Port:
    """Held by a socket at which nobody listens, so that no other program gets it meanwhile.

    Servers listen at sockets of their own beside it; while there is none, connecting is refused.
    """

    def __init__(self) -> None:
        self._held = _bound(0)
        self.number: int = self._held.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.number}"

    def beside(self) -> socket.socket:
        """Another socket at the same address."""
        return _bound(self.number)

    def close(self) -> None:
        """Let others have it."""
        self._held.close()


class Serving:
    """An app at a port, in a thread, from `start` to `stop`."""

    def __init__(self, app: object, port: Port) -> None:
        config = uvicorn.Config(app, log_config=None, ws="none", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [port.beside()]}, daemon=True
        )

    def start(self) -> None:
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), "the server did not start"
            self._thread.join(0.01)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(120)
        assert not self._thread.is_alive(), "the server does not stop"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _bound(port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind(("127.0.0.1", port))
    return made
