"""One table for every bench: what was measured, beside what, and the ratio of the two."""

import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A measured figure beside a reference measured in the same run, and the target for it."""

    what: str
    figure: float
    unit: str
    reference: float | None = None
    reference_name: str = ""
    target: str = ""

    @property
    def ratio(self) -> float | None:
        """Figure over reference."""
        return None if not self.reference else self.figure / self.reference


def show(title: str, rows: Sequence[Row], notes: Sequence[str] = ()) -> None:
    """Print the table."""
    print(f"\n{title}")
    heads = ("what", "figure", "beside", "ratio", "target")
    cells = [
        (
            row.what,
            f"{row.figure:,.4g} {row.unit}",
            f"{row.reference:,.4g} {row.unit} ({row.reference_name})" if row.reference else "",
            f"{row.ratio:.3g}" if row.ratio is not None else "",
            row.target,
        )
        for row in rows
    ]
    widths = [max(len(line[i]) for line in [heads, *cells]) for i in range(len(heads))]
    for line in [heads, tuple("-" * width for width in widths), *cells]:
        print("  " + "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)))
    for note in notes:
        print(f"  {note}")


def median_s(action: Callable[[], object], runs: int = 7, warmup: int = 1) -> float:
    """Median wall time of ``action`` in seconds."""
    for _ in range(warmup):
        action()
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def command(*words: str, **environment: str) -> Callable[[], object]:
    """A command as an action: its output is thrown away, a failure raises."""

    def run() -> object:
        return subprocess.run(
            words,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment or None,
        )

    return run
