"""The transparency log on SQLite: appending, proving, what a leaf takes on the disk."""

import tempfile
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from bench.table import Row, median_s, show
from medperf.provenance.envelope import sign
from medperf.provenance.keys import PrivateKey
from medperf.server.call import Call, Caller, Identity
from medperf.server.db.migrate import upgrade
from medperf.server.db.session import Database
from medperf.server.log import reading
from medperf.server.log.appending import Said, append
from medperf.server.log.signing import LogSigner

SIZES = (1_000, 10_000)


def main() -> None:
    """Measure at growing sizes."""
    key = PrivateKey.generate()
    log = LogSigner(key)
    identity = Identity("Bench", key, lambda: "x" * 32, timedelta(hours=1), log)
    rows, done = [], 0
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "log.sqlite"
        database = Database(f"sqlite:///{file}")
        upgrade(database)
        for size in SIZES:
            started = time.perf_counter()
            with database.writing() as connection:
                call = Call(connection, Caller(), datetime.now(UTC), identity)
                for number in range(done, size):
                    said = sign(b'{"n":%d,"pad":"%s"}' % (number, b"x" * 1000), key)
                    append(call, Said("grant", f"execution:{number}", said))
            seconds = time.perf_counter() - started
            with database.reading() as connection:
                proof = median_s(partial(reading.inclusion, connection, log, size // 3))
            rows += [
                Row(f"append, to {size} leaves", 1000 * seconds / (size - done), "ms"),
                Row(f"inclusion proof of {size} leaves", 1000 * proof, "ms"),
            ]
            done = size
        database.close()
        rows.append(
            Row("storage of a leaf and its 1 kB statement", file.stat().st_size / done, "B")
        )
    show("transparency log", rows)


if __name__ == "__main__":
    main()
