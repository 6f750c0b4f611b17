"""The address of a server, and a socket at it for each of its processes.

Processes that accept from one socket take what they get: whichever wakes first takes all the
connections that wait, and a few busy clients may all end at one process while the others idle.
Where the kernel deals the connections of one address out to several sockets, each process has one.
"""

import socket
import sys
from typing import Any, Self

from medperf.domain.errors import ConflictError

_IS_DEALT = sys.platform == "linux"
"""Elsewhere the option of that name gives every connection to the newest socket."""


class Listening(list[socket.socket]):
    """The one socket of this process; a process that this is sent to gets its own.

    Sockets that share an address would let a second server in beside the first, above all while
    none of them listens yet. So the first process also holds a name that only one can have.
    """

    _name: socket.socket | None = None

    @property
    def url(self) -> str:
        """The address as clients write it."""
        host, port = self[0].getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self[0].close()
        if self._name is not None:
            self._name.close()

    def hold_alone(self) -> None:
        """Hold this address's name among all programs of this machine, until the end.

        Raises:
            ConflictError: if another server holds it.
        """
        host, port = self[0].getsockname()[:2]
        # A name without a file: the kernel lets go of it with the process.
        name = socket.socket(socket.AF_UNIX)
        try:
            name.bind(f"\0medperf-server {host} {port}")
        except OSError as error:
            name.close()
            self[0].close()
            raise _taken(host, port, error) from error
        self._name = name

    def __reduce__(self) -> tuple[Any, ...]:
        if not _IS_DEALT:
            return Listening, (list(self),)
        return _beside, (self[0].family, self[0].getsockname())


def listen_at(host: str, port: int) -> Listening:
    """Take an address, where nobody is let in yet; ``port`` 0 takes a free one.

    Raises:
        ConflictError: if it cannot be had.
    """
    taken = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
    except OSError as error:
        taken.close()
        raise _taken(host, port, error) from error
    listening = Listening([taken])
    if _IS_DEALT:
        listening.hold_alone()
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return listening


def _taken(host: str, port: int, error: OSError) -> ConflictError:
    return ConflictError(
        f"cannot listen at {host}:{port}: {error.strerror}",
        hint="Choose another --port (0 takes a free one) or --host.",
    )


def _beside(family: socket.AddressFamily, address: Any) -> Listening:
    own = socket.socket(family)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    own.bind(address)
    return Listening([own])
