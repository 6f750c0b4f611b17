"""The server's log, read as any other C2SP log: checkpoint, tiles, proofs."""

from collections.abc import Iterator

from medperf.client.log_watch import KEYS
from medperf.client.paging import BASE
from medperf.client.transport import Transport
from medperf.domain.log import LogGrowth, LogInclusion, LogSuccessions
from medperf.provenance.tiles import WIDTH, Tile, read_entries


class Log:
    """What the log answers to anybody."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def consistency(self, start: int = 0, end: int | None = None) -> LogGrowth:
        """GET ``/log/consistency``: the proof that the log only grew since ``start`` leaves."""
        answer = self._transport.get(f"{BASE}/log/consistency", {"from": start, "to": end})
        return LogGrowth.model_validate(answer)

    def keys(self, start: int = 0) -> LogSuccessions:
        """GET ``/log/keys``: which keys signed the log, in a log that only grew since ``start``."""
        return LogSuccessions.model_validate(self._transport.get(KEYS, {"from": start}))

    def proof(self, *, leaf: int | None = None, envelope: str | None = None) -> LogInclusion:
        """GET ``/log/proof``: where a leaf, or an envelope by its digest, is in the log."""
        answer = self._transport.get(f"{BASE}/log/proof", {"leaf": leaf, "envelope": envelope})
        return LogInclusion.model_validate(answer)

    def entries(self, start: int, end: int) -> Iterator[bytes]:
        """GET ``/log/tile/entries/...``: the leaves from ``start`` to before ``end``."""
        for index in range(start // WIDTH, -(-end // WIDTH)):
            first = index * WIDTH
            tile = Tile(0, index, min(WIDTH, end - first), holds_entries=True)
            content = read_entries(self._transport.get_bytes(f"{BASE}/log/{tile.path}"))
            yield from content[max(start - first, 0) :]
