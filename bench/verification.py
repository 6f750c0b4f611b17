"""Verifying a leaderboard of 1,312 results, all its proofs included, as ``medperf verify`` does.

Beside the whole stands the part that nothing can do without, the Ed25519 verifications alone. Times
are the processor's, so that other work on the machine does not count.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.scenes.leaderboard_bundle import N_MODELS, N_SITES, Play
from bench.table import Row, show
from medperf.provenance.bundle import Bundle
from medperf.provenance.envelope import verify
from medperf.provenance.notes import NoteKey
from medperf.provenance.verify import verify_bundle

N_RESULTS = N_SITES * N_MODELS
RUNS = 3


def main() -> None:
    """Measure the parts here, and time and memory of the whole in a process of its own."""
    play = Play()
    content = play.bundle().to_bytes()
    bundle = Bundle.from_bytes(content)
    verdict = verify_bundle(bundle, play.log_key)
    if not verdict.is_verified or len(verdict.results) != N_RESULTS:
        raise AssertionError([*verdict.failed, *verdict.missing][:3])
    reading = processor_s(lambda: Bundle.from_bytes(content))
    verifying = processor_s(lambda: verify_bundle(bundle, play.log_key))
    keys = {key.key_id: key.public for key in (play.server, *play.sites)}
    signatures = processor_s(lambda: [verify(each.envelope, keys) for each in bundle.statements])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "leaderboard.json"
        file.write_bytes(content)
        words = [sys.executable, "-m", "bench.verification", str(file), play.log_key.to_text()]
        said = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    at_rest, peak = (float(word) for word in said)
    beside = {"reference": signatures, "reference_name": "its signatures alone"}
    show(
        f"verifying {N_RESULTS:,} results with {len(bundle.statements):,} logged statements",
        [
            Row("the bundle", len(content) / 1e6, "MB"),
            Row("reading it", reading, "s"),
            Row("verifying it, 11 steps", verifying, "s", **beside),
            Row("both, for one result", 1000 * (reading + verifying) / N_RESULTS, "ms"),
            Row(
                "memory of a process that does both",
                peak,
                "MB",
                at_rest,
                "before it reads the bundle",
            ),
        ],
    )


def alone(file: str, key: str) -> None:
    """Verify a bundle and say how much memory that took, in MB."""
    before = _peak_mb()
    verdict = verify_bundle(Bundle.from_bytes(Path(file).read_bytes()), NoteKey.from_text(key))
    if not verdict.is_verified:
        raise SystemExit(1)
    print(before, _peak_mb())


def processor_s(action: Callable[[], object]) -> float:
    """Median processor time of an action in seconds."""
    times = []
    for _ in range(RUNS):
        started = time.process_time()
        action()
        times.append(time.process_time() - started)
    return statistics.median(times)


def _peak_mb() -> float:
    # Not getrusage: what the parent needed before the program was started would count, too.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    if sys.argv[1:]:
        alone(*sys.argv[1:])
    else:
        main()
