"""A server's address, and a socket at it for each process."""

import select
import socket
import sys
from multiprocessing.reduction import ForkingPickler
from pickle import loads

import pytest

from medperf.domain.errors import ConflictError
from medperf.server import listening as module
from medperf.server.listening import listen_at

CLIENTS = 64


def _accepted(n: int, *owns: socket.socket) -> list[int]:
    """How many of so many connections each gets; one may arrive after its client has gone on."""
    counts = [0] * len(owns)
    while sum(counts) < n:
        ready = select.select(owns, (), (), 60)[0]
        assert ready, "a connection is missing"
        for own in ready:
            own.accept()[0].close()
            counts[owns.index(own)] += 1
    return counts


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux deals connections out")
def test_each_process_has_a_share_of_the_connections() -> None:
    with listen_at("127.0.0.1", 0) as held:
        # What a process gets that is started with it.
        shares = [loads(ForkingPickler.dumps(held)) for _ in range(2)]
        address = held[0].getsockname()
        assert [each[0].getsockname() for each in shares] == [address] * 2
        for each in shares:
            each[0].listen(CLIENTS)
        clients = [socket.create_connection(address) for _ in range(CLIENTS)]
        assert min(_accepted(CLIENTS, *(each[0] for each in shares))) > 0
        for each in (*clients, *(one[0] for one in shares)):
            each.close()


def test_where_connections_are_not_dealt_out_processes_share_a_socket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_IS_DEALT", False)
    with listen_at("127.0.0.1", 0) as held, loads(ForkingPickler.dumps(held)) as shared:
        held[0].listen()
        with socket.create_connection(held[0].getsockname()):
            assert _accepted(1, shared[0]) == [1]


@pytest.mark.parametrize("who_listens", ["nobody yet", "the first", "a process"])
def test_an_address_that_is_taken_is_one_clear_error(who_listens: str) -> None:
    with listen_at("127.0.0.1", 0) as held, loads(ForkingPickler.dumps(held)) as own:
        if who_listens != "nobody yet":
            (own if who_listens == "a process" else held)[0].listen()
        port = held[0].getsockname()[1]
        with pytest.raises(ConflictError, match=f"cannot listen at 127.0.0.1:{port}") as raised:
            listen_at("127.0.0.1", port)
        assert "--port" in raised.value.advice


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_that_is_not_here_is_one_clear_error(host: str) -> None:
    with pytest.raises(ConflictError, match="cannot listen at"):
        listen_at(host, 0)


def test_an_address_is_free_again_afterwards() -> None:
    with listen_at("127.0.0.1", 0) as held:
        port = held[0].getsockname()[1]
    with listen_at("127.0.0.1", port) as again:
        assert again.url == f"http://127.0.0.1:{port}"


def test_an_ipv6_address_is_written_as_clients_write_it() -> None:
    try:
        held = listen_at("::1", 0)
    except ConflictError:
        pytest.skip("no IPv6 here")
    with held:
        assert held.url == f"http://[::1]:{held[0].getsockname()[1]}"
