"""Fingerprint of many files that are in memory, beside ``b3sum`` with the same threads.

``python -m bench.fingerprint [--files 2000] [--bytes 2000000000] [--folder DIR]``. Where ``b3sum``
is not installed, the comparison is Python's BLAKE3 over the same files, read one after another.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from statistics import median

from blake3 import blake3

from medperf.domain.clock import system_clock
from medperf.site.fingerprint import fingerprint, usable_cores
from medperf.site.fingerprint_cache import FingerprintCache

REPEATS = 5


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--files", type=int, default=2000)
    options.add_argument("--bytes", type=int, default=2_000_000_000)
    options.add_argument("--folder", type=Path, help="where to put the files for the moment")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        data = Path(folder) / "data"
        write_files(data, given.files, given.bytes)
        measure(data, Path(folder) / "cache.db")


def write_files(data: Path, n_files: int, n_bytes: int) -> None:
    data.mkdir()
    content = os.urandom(n_bytes // n_files - 8)
    for number in range(n_files):
        case = data / f"case_{number // 4:04}"
        case.mkdir(exist_ok=True)
        (case / f"{number:05}.nii").write_bytes(number.to_bytes(8) + content)


def measure(data: Path, cache_place: Path) -> None:
    threads = usable_cores()
    other = b3sum if shutil.which("b3sum") else plain_python
    # Side by side, so that a busy machine slows down both.
    pairs = [
        (
            seconds(lambda: fingerprint({"data": data}, threads=threads)),
            seconds(lambda: other(data)),
        )
        for _ in range(REPEATS)
    ]
    own, others = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
    ratio = median(pair[1] / pair[0] for pair in pairs)
    cache = FingerprintCache(cache_place, lambda: system_clock() + timedelta(hours=1))
    first = fingerprint({"data": data}, cache=cache)
    again = seconds(lambda: fingerprint({"data": data}, cache=cache))
    next(data.rglob("*.nii")).touch()
    touched = fingerprint({"data": data}, cache=cache)
    size = first.size_bytes
    print(f"{first.n_files} files, {size / 1e9:.2f} GB, {threads} threads, median of {REPEATS}")
    print(f"{'':24}{'seconds':>9}{'GB/s':>8}")
    print(f"{other.__name__:24}{others:9.3f}{size / others / 1e9:8.2f}")
    print(f"{'fingerprint':24}{own:9.3f}{size / own / 1e9:8.2f}")
    print(f"{'again, nothing changed':24}{again:9.3f}")
    print(f"speed over {other.__name__}: {ratio:.2f} (wanted: at least 0.80)")
    print(f"read after touching one file: {touched.n_read}")


def seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def b3sum(data: Path) -> None:
    files = sorted(data.rglob("*.nii"))
    subprocess.run(
        ["b3sum", "--num-threads", str(usable_cores()), *files],
        stdout=subprocess.DEVNULL,
        check=True,
    )


def plain_python(data: Path) -> None:
    for file in sorted(data.rglob("*.nii")):
        blake3(file.read_bytes()).digest()


if __name__ == "__main__":
    main()
