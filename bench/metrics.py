"""DSC, HD95 and NSD of label maps, beside MONAI and ``surface-distance`` at each one's definition.

``python -m bench.metrics [--shape 240x240x155] [--labels 3] [--brief]``. The libraries beside are
not among what the project installs: run it with a Python that has them, and it says what is absent.
Times are by the clock on the wall, and of the processor over all threads, each the best of some
rounds in turns. Values must agree to 1e-6 (relative above 1; MONAI computes in single precision).
Then the same over volume size and label count, unless it is to be brief: times first, then values
and peak memory, each alone with ``--only``.
"""

import argparse
import importlib.util
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.table import Row, show
from medperf.analysis.metrics.label_maps import LabelMapPair
from medperf.analysis.metrics.segmentation import values_of

SPACING_MM = (1.0, 1.0, 1.0)
TOLERANCE_MM = 1.0
Values = dict[int, tuple[float, float, float]]
RUNS = 5
GROWTH_RUNS = 5
LONG_S = 4.0  # of what takes longer than this, a tenth does not decide: two runs are enough


def main(arguments: list[str] | None = None) -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--shape", default="240x240x155")
    options.add_argument("--labels", type=int, default=3)
    options.add_argument("--brief", action="store_true", help="at one size and label count only")
    options.add_argument("--only", choices=("times", "memory"), help="of what grows")
    options.add_argument("--peak", choices=sorted(METHODS), help="print the peak memory of one")
    options.add_argument("--maps", type=Path, help="label maps for --peak")
    given = options.parse_args(arguments if arguments is not None else [])
    shape = tuple(int(side) for side in given.shape.split("x"))
    if given.peak:
        method = METHODS[given.peak][1]
        method(*label_maps((48, 48, 48), 1), 1)  # libraries that load themselves are not counted
        with np.load(given.maps) as maps:
            reference, prediction = maps["reference"], maps["prediction"]
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
        before = memory_mib("VmRSS")
        method(reference, prediction, given.labels)
        print(memory_mib("VmHWM") - before)
        return
    if given.only != "memory":
        compare(shape, given.labels)
    if given.brief:
        return
    sizes = [tuple(int(side * factor) for side in shape) for factor in (0.5, 0.75, 1, 1.25)]
    for points, over in (
        ([(size, given.labels) for size in sizes], "volume size"),
        ([(shape, n_labels) for n_labels in (1, 3, 6, 12)], "label count"),
    ):
        if given.only != "memory":
            growth(points, over)
        if given.only != "times":
            growth_of_memory(points, over)


def compare(shape: tuple[int, ...], n_labels: int) -> None:
    reference, prediction = label_maps(shape, n_labels)
    present = installed()
    notes = [
        f"{module} is not installed beside this Python: not measured"
        for name, (module, _) in METHODS.items()
        if name not in present
    ]
    values = {name: method(reference, prediction, n_labels) for name, method in present.items()}
    times = best_of(RUNS, present, reference, prediction, n_labels)
    rows = []
    for own, other, target in PAIRS:
        if other not in times:
            rows.append(Row(own, times[own].wall_s, "s"))
            continue
        for what, mine, beside in (
            (f"{own} beside {other}", times[own].wall_s, times[other].wall_s),
            ("  time of the processor", times[own].processor_s, times[other].processor_s),
        ):
            rows.append(Row(what, mine, "s", beside, other, target))
        own_mib, other_mib = peaks_of((own, other), reference, prediction, n_labels)
        rows.append(Row("  peak memory above input", own_mib, "MiB", other_mib, other, "< 1"))
        notes.append(
            f"{own} and {other}: largest difference {worst(values[own], values[other]):.1e}"
        )
    show(f"DSC + HD95 + NSD@1mm, {'x'.join(map(str, shape))}, {n_labels} labels", rows, notes)


def growth(points: Sequence[tuple[tuple[int, ...], int]], over: str) -> None:
    """One line per pair of methods and point: how the times, and their ratio, grow."""
    present = installed()
    rows = []
    for shape, n_labels in points:
        times = best_of(GROWTH_RUNS, present, *label_maps(shape, n_labels), n_labels)
        for own, other, target in PAIRS:
            what = f"{own}, {'x'.join(map(str, shape))}, {n_labels} labels"
            mine, beside = times[own], times.get(other, Best(0.0, 0.0))
            rows.append(Row(what, mine.wall_s, "s", beside.wall_s, other, target))
            rows.append(
                Row(f"{what}, processor", mine.processor_s, "s", beside.processor_s, other, target)
            )
    show(f"The same over {over}", sorted(rows, key=lambda row: row.what[:10]))


def growth_of_memory(points: Sequence[tuple[tuple[int, ...], int]], over: str) -> None:
    """One line per pair of methods and point: peak memory; the largest difference in a note."""
    present = installed()
    rows, notes = [], []
    for shape, n_labels in points:
        maps = label_maps(shape, n_labels)
        for own, other, _ in PAIRS:
            if other not in present:
                continue
            what = f"{own}, {'x'.join(map(str, shape))}, {n_labels} labels"
            own_mib, other_mib = peaks_of((own, other), *maps, n_labels)
            rows.append(Row(what, own_mib, "MiB", other_mib, other, "< 1"))
            difference = worst(present[own](*maps, n_labels), present[other](*maps, n_labels))
            notes.append(f"{what}: largest difference to {other} {difference:.1e}")
    by_method = sorted(rows, key=lambda row: row.what[:10])
    show(f"The same over {over}, peak memory above the input", by_method, sorted(notes))


def installed() -> dict[str, Callable[..., Values]]:
    """The methods whose library is there."""
    return {
        name: method
        for name, (module, method) in METHODS.items()
        if not module or importlib.util.find_spec(module)
    }


@dataclass(frozen=True, slots=True)
class Best:
    """The shortest of some runs, by two clocks."""

    wall_s: float = float("inf")
    processor_s: float = float("inf")


def best_of(
    runs: int,
    methods: Mapping[str, Callable[..., Values]],
    reference: NDArray[np.uint8],
    prediction: NDArray[np.uint8],
    n_labels: int,
) -> dict[str, Best]:
    """In turns, and the best of each: a busy machine slows all of them, but not all at once."""
    best = dict.fromkeys(methods, Best())
    for run in range(runs):
        for name, method in methods.items():
            if run > 1 and best[name].wall_s > LONG_S:
                continue
            wall, processor = time.perf_counter(), time.process_time()
            method(reference, prediction, n_labels)
            best[name] = Best(
                min(best[name].wall_s, time.perf_counter() - wall),
                min(best[name].processor_s, time.process_time() - processor),
            )
    return best


def label_maps(
    shape: tuple[int, ...], n_labels: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Nested shells around a bumpy lesion that fills a third of the volume's width."""
    rng = np.random.default_rng(5)
    return _shells(rng, shape, n_labels, 0.0), _shells(rng, shape, n_labels, 3.0)


def _shells(
    rng: np.random.Generator, shape: tuple[int, ...], n_labels: int, shift: float
) -> NDArray[np.uint8]:
    grid = np.ogrid[tuple(slice(0, side) for side in shape)]
    center = [side / 2 + shift for side in shape]
    radius = np.sqrt(sum((axis - c) ** 2 for axis, c in zip(grid, center, strict=True)))
    bumps = sum(np.sin(axis / rng.uniform(4, 9) + rng.uniform(0, 6)) for axis in grid)
    # Many shells are thin ones: smaller bumps leave something of the innermost.
    radius = radius + 2.0 * min(1.0, 4 / n_labels) * bumps
    outer = min(shape) / 3
    label_map = np.zeros(shape, dtype=np.uint8)
    for label in range(1, n_labels + 1):
        label_map[radius < outer * (1 - (label - 1) / n_labels)] = label
    return label_map


def own_voxel(reference: NDArray[np.uint8], prediction: NDArray[np.uint8], n: int) -> Values:
    return _own(reference, prediction, n, "hd95_voxel_directed", "nsd_voxel@1mm")


def own_surfel(reference: NDArray[np.uint8], prediction: NDArray[np.uint8], n: int) -> Values:
    return _own(reference, prediction, n, "hd95_surfel", "nsd_surfel@1mm")


def _own(
    reference: NDArray[np.uint8], prediction: NDArray[np.uint8], n: int, hd95: str, nsd: str
) -> Values:
    maps = LabelMapPair(reference, prediction, SPACING_MM)
    found = {}
    for name, pair in maps.regions({str(label): (label,) for label in range(1, n + 1)}):
        values = values_of(("dsc", hd95, nsd), pair)
        found[int(name)] = tuple(value.value or 0.0 for value in values.values())
    return found


def monai(reference: NDArray[np.uint8], prediction: NDArray[np.uint8], n: int) -> Values:
    import torch  # noqa: PLC0415 - may be absent
    from monai.metrics import (  # noqa: PLC0415 - may be absent
        DiceMetric,
        HausdorffDistanceMetric,
        SurfaceDiceMetric,
    )

    y, p = (
        torch.from_numpy(np.stack([m == k for k in range(n + 1)])[None].astype(np.float32))
        for m in (reference, prediction)
    )
    metrics = (
        DiceMetric(include_background=False),
        HausdorffDistanceMetric(include_background=False, percentile=95),
        SurfaceDiceMetric(class_thresholds=[TOLERANCE_MM] * n, include_background=False),
    )
    spaced = [metrics[0](p, y), *(metric(p, y, spacing=SPACING_MM) for metric in metrics[1:])]
    return {k + 1: tuple(float(found[0, k]) for found in spaced) for k in range(n)}


def surface_distance(reference: NDArray[np.uint8], prediction: NDArray[np.uint8], n: int) -> Values:
    import surface_distance as other  # noqa: PLC0415 - may be absent

    found = {}
    for label in range(1, n + 1):
        one, two = reference == label, prediction == label
        distances = other.compute_surface_distances(one, two, SPACING_MM)
        found[label] = (
            other.compute_dice_coefficient(one, two),
            other.compute_robust_hausdorff(distances, 95),
            other.compute_surface_dice_at_tolerance(distances, TOLERANCE_MM),
        )
    return found


METHODS: Mapping[str, tuple[str, Callable[..., Values]]] = {
    "own voxel": ("", own_voxel),
    "own surfel": ("", own_surfel),
    "MONAI": ("monai", monai),
    "surface-distance": ("surface_distance", surface_distance),
}
PAIRS = (
    ("own voxel", "MONAI", "< 0.1"),
    ("own surfel", "surface-distance", "< 0.5"),
)


def worst(one: Values, two: Values) -> float:
    return max(
        abs(a - b) / max(1.0, abs(a)) for k in one for a, b in zip(one[k], two[k], strict=True)
    )


def peaks_of(
    names: Sequence[str],
    reference: NDArray[np.uint8],
    prediction: NDArray[np.uint8],
    n_labels: int,
) -> list[float]:
    """The peak memory of each method over the same maps."""
    with tempfile.TemporaryDirectory() as folder:
        maps = Path(folder) / "maps.npz"
        np.savez(maps, reference=reference, prediction=prediction)
        return [peak_of(name, maps, n_labels) for name in names]


def peak_of(name: str, maps: Path, n_labels: int) -> float:
    """A process of its own, because memory once taken does not show again."""
    words = ["--peak", name, "--maps", str(maps), "--labels", str(n_labels)]
    program = "import sys; from bench.metrics import main; main(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *words],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def memory_mib(field: str) -> float:
    """``VmRSS`` now or ``VmHWM`` at most; what ``resource`` says includes the parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main(sys.argv[1:])
