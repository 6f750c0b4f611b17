"""Fingerprint of many files that are in memory, beside ``b3sum`` with the same threads.

Where ``b3sum`` is not installed, the comparison is Python's BLAKE3 over the same files, read one
after another.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from statistics import median

from blake3 import blake3

from bench.table import Row, median_s, show
from medperf.domain.clock import system_clock
from medperf.site.fingerprint import fingerprint, usable_cores
from medperf.site.fingerprint_cache import FingerprintCache

N_FILES = 2000
N_BYTES = 2_000_000_000
RUNS = 5


def main() -> None:
    """Write the files, measure, and remove them again."""
    with tempfile.TemporaryDirectory(prefix="medperf-bench-") as folder:
        data = Path(folder) / "data"
        write_files(data)
        measure(data, Path(folder) / "cache.db")


def write_files(data: Path) -> None:
    content = os.urandom(N_BYTES // N_FILES - 8)
    for number in range(N_FILES):
        case = data / f"case_{number // 4:04}"
        case.mkdir(parents=True, exist_ok=True)
        (case / f"{number:05}.nii").write_bytes(number.to_bytes(8, "big") + content)


def measure(data: Path, cache_place: Path) -> None:
    threads = usable_cores()
    other = b3sum if shutil.which("b3sum") else plain_python
    own_s, other_s = side_by_side(
        lambda: fingerprint({"data": data}, threads=threads), lambda: other(data)
    )
    # An hour ahead, so that files written a moment ago are not too young to be remembered.
    cache = FingerprintCache(cache_place, lambda: system_clock() + timedelta(hours=1))
    size = fingerprint({"data": data}, cache=cache).size_bytes
    again_s = median_s(lambda: fingerprint({"data": data}, cache=cache))
    next(data.rglob("*.nii")).touch()
    n_read = fingerprint({"data": data}, cache=cache).n_read
    show(
        f"Fingerprint of {N_FILES:,} files, {size / 1e9:.1f} GB in memory, {threads} threads",
        [
            Row(
                "speed", size / own_s / 1e9, "GB/s", size / other_s / 1e9, other.__name__, ">= 0.8"
            ),
            Row("again, nothing changed", again_s, "s", own_s, "the first time"),
            Row("files read after touching one", n_read, "files", 1, "expected", "1"),
        ],
    )


def side_by_side(one: Callable[[], object], two: Callable[[], object]) -> tuple[float, float]:
    """Take turns, so that a busy machine slows down both."""
    pairs = [(median_s(one, 1, 0), median_s(two, 1, 0)) for _ in range(RUNS)]
    return median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)


def b3sum(data: Path) -> None:
    files = sorted(data.rglob("*.nii"))
    threads = str(usable_cores())
    subprocess.run(
        ["b3sum", "--num-threads", threads, *files], stdout=subprocess.DEVNULL, check=True
    )


def plain_python(data: Path) -> None:
    for file in sorted(data.rglob("*.nii")):
        blake3(file.read_bytes()).digest()


if __name__ == "__main__":
    main()
