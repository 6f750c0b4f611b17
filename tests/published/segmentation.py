"""Examples of masks, in the plane and in space."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from published import sources
from published.classification import half_a_digit
from published.example import Bools, Example, Source, mask, rectangles

from medperf.analysis.metrics import segmentation
from medperf.analysis.metrics.masks import MaskPair

Spacing = tuple[float, ...]


def examples() -> Iterator[Example]:
    """All of them."""
    yield from _figures()
    yield from _panoptica()
    yield from _monai()
    yield from _surface_distance()
    pixels = (mask(".#. #.#"), mask("..# #.#"))
    for metric, function in (
        ("voxel_sensitivity", "binary_recall"),
        ("voxel_precision", "binary_precision"),
    ):
        yield _row(sources.TORCHMETRICS, f"{function}, as pixels", metric, 0.6667, *pixels)


def _figures() -> Iterator[Example]:
    square = rectangles((11, 11), (3, 7, 3, 7))
    with_cross = rectangles((11, 11), (3, 7, 3, 7), (5, 5, 1, 9), (1, 9, 5, 5))
    yield from _rows(
        sources.METRICS_RELOADED, "figure 10", square, with_cross,
        {"dsc": 0.862, "iou": 0.76, "assd_voxel": 0.44, "nsd_voxel@1mm": 0.89, "nsd_voxel@2mm": 1.0},
    )  # fmt: skip
    middle = rectangles((14, 14), (5, 8, 5, 8))
    for which, predicted, values in (
        ("first", (6, 7, 6, 7), {"hd_voxel": 1.41, "assd_voxel": 1.10, "nsd_voxel@1mm": 0.75}),
        ("second", (4, 9, 4, 9), {"hd_voxel": 1.41, "assd_voxel": 1.05, "nsd_voxel@1mm": 0.875}),
    ):
        yield from _rows(
            sources.METRICS_RELOADED, f"figure SN 2.10, {which}",
            middle, rectangles((14, 14), predicted), values,
        )  # fmt: skip
    block = rectangles((14, 14), (9, 11, 9, 11))
    yield from _rows(
        sources.METRICS_RELOADED, "figure 5c, one pixel drawn by mistake",
        rectangles((14, 14), (1, 1, 1, 1), (9, 11, 9, 11)), block,
        {"hd_voxel": 11.31, "hd95_voxel_directed": 6.79},
    )  # fmt: skip
    large, less = rectangles((22, 22), (2, 20, 2, 20)), rectangles((22, 22), (3, 20, 2, 20))
    for width, printed in ((1, 0.6), (2, 0.8)):
        yield _row(
            sources.METRICS_RELOADED, f"figure SN 2.12, width {width}", f"boundary_iou@{width}mm",
            printed, large, less, within=0.1, note="as far as the source asks for",
        )  # fmt: skip
    corner = rectangles((14, 14), (2, 3, 2, 3))
    yield _row(
        sources.METRICS_RELOADED, "test_voldiff, two squares apart", "absolute_volume_difference",
        0.0, corner, rectangles((14, 14), (3, 4, 3, 4)),
    )  # fmt: skip
    bent = rectangles((14, 14), (1, 3, 1, 1), (3, 3, 1, 3))
    for which, predicted, printed in (
        ("small1", rectangles((14, 14), (2, 3, 1, 1), (3, 3, 1, 3)), 0.86),
        ("small2", rectangles((14, 14), (3, 3, 1, 3)), 0.67),
    ):
        yield _row(
            sources.METRICS_RELOADED, f"test_cldsc, {which}", "cldice_lee", printed, bent, predicted
        )


def _panoptica() -> Iterator[Example]:
    stripes = mask(".#.# .#.# .#.. .#..")
    small, grown = mask(".... .##. .##. ...."), mask("..#. ###. #### .##.")
    square, tall = mask(".... .... ..## ..##"), mask("###. ###. ###. #...")
    yield _row(
        sources.PANOPTICA, "nooverlap, 20 mm voxels", "hd_voxel", 40.0, ~stripes, stripes,
        spacing_mm=(20.0, 20.0),
    )  # fmt: skip
    yield _row(sources.PANOPTICA, "nooverlap", "relative_volume_difference", 0.4, ~stripes, stripes)
    yield from _rows(
        sources.PANOPTICA, "overpredicted", small, grown,
        {"dsc": 0.5714285714285714, "relative_volume_difference": 1.5, "hd_voxel": 1.0,
         "cldice_lee": 1.0},
    )  # fmt: skip
    yield _row(sources.PANOPTICA, "underpredicted", "relative_volume_difference", 0.6, grown, small)
    yield from _rows(
        sources.PANOPTICA, "overlap_but_large_discrepancy", square, tall,
        {"hd_voxel": 2.82842712474619, "hd95_voxel_pooled": 2.473011636398349},
    )  # fmt: skip


def _monai() -> Iterator[Example]:
    for metric, file, printed in (
        ("dsc", "test_compute_meandice.py", 0.8),
        ("iou", "test_compute_meaniou.py", 0.6667),
    ):
        yield _row(
            sources.MONAI, f"{file}, first case", metric, printed, mask("#. ##"), mask("#. .#")
        )
    columns = tuple(rectangles((480, 640), (0, 479, left, 639)) for left in (60, 50))
    yield _row(
        sources.MONAI, "test_surface_dice.py, shifted by ten pixels", "nsd_voxel@0mm",
        1 - (478 + 480 + 9 * 2) / (480 * 4 + 588 * 2 + 578 * 2), *columns, within=1e-7,
    )  # fmt: skip
    bars = rectangles((10, 10), (5, 7, 6, 6)), rectangles((10, 10), (1, 3, 1, 1))
    for tolerance, printed in (("5.5", 1 / 3), ("6", 2 / 3)):
        yield _row(
            sources.MONAI, "test_surface_dice.py, two bars", f"nsd_voxel@{tolerance}mm", printed,
            *bars, within=1e-6,
        )  # fmt: skip
    small, large = _ball(20, (20, 33, 22)), _ball(40, (20, 33, 22))
    yield from _rows(
        sources.MONAI, "test_hausdorff_distance.py, test_surface_distance.py, balls in each other",
        large, small,
        {"hd_voxel": 20.223748416156685, "hd95_voxel_directed": 20.09975124224178,
         "assd_voxel": 15.117741}, relative=True,
    )  # fmt: skip
    spacing = (0.85, 1.2, 0.9)
    yield _row(
        sources.MONAI, "test_hausdorff_distance.py, balls, anisotropic", "hd_voxel", 15.62594,
        _ball(30, (20, 33, 22), spacing), _ball(15, (20, 33, 22), spacing), spacing_mm=spacing,
        within=2e-5,
    )  # fmt: skip


def _surface_distance() -> Iterator[Example]:
    one, two = np.zeros((2, 128, 128, 128), dtype=np.bool_)
    one[50, 60, 70] = two[50, 60, 72] = True
    yield from _rows(
        sources.SURFACE_DISTANCE, "test_on_2_pixels_2mm_away, in space", one, two,
        {"dsc": 0.0, "hd95_surfel": 2.0, "nsd_surfel@1mm": 0.5, "assd_surfel": 1.5},
        spacing_mm=(3.0, 2.0, 1.0),
    )  # fmt: skip
    one, two = np.zeros((2, 128, 128), dtype=np.bool_)
    one[50, 70] = two[50, 72] = True
    yield from _rows(
        sources.SURFACE_DISTANCE, "test_on_2_pixels_2mm_away, in the plane", one, two,
        {"dsc": 0.0, "hd95_surfel": 2.0, "nsd_surfel@1mm": 0.5, "assd_surfel": 1.5},
        spacing_mm=(2.0, 1.0),
    )  # fmt: skip
    one, two = np.zeros((2, 100, 100, 100), dtype=np.bool_)
    one[:50], two[:51] = True, True
    yield from _rows(
        sources.SURFACE_DISTANCE, "test_two_cubes_shifted_by_one_pixel", one, two,
        {"dsc": 0.990, "hd95_surfel": 2.0, "nsd_surfel@1mm": 0.836}, spacing_mm=(2.0, 1.0, 1.0),
    )  # fmt: skip


def _ball(radius: float, center: tuple[int, ...], spacing: Spacing = (1.0, 1.0, 1.0)) -> Bools:
    axes = (
        (axis * side - c) ** 2
        for axis, side, c in zip(np.ogrid[:99, :99, :99], spacing, center, strict=True)
    )
    return np.asarray(sum(axes) <= radius**2, dtype=np.bool_)


def _rows(
    source: Source,
    place: str,
    reference: Bools,
    prediction: Bools,
    values: Mapping[str, float],
    spacing_mm: Spacing | None = None,
    *,
    relative: bool = False,
) -> Iterator[Example]:
    # One pair for all of them: its boundaries are found once.
    pair = MaskPair(reference, prediction, spacing_mm or (1.0,) * reference.ndim)
    for metric, printed in values.items():
        within = 1e-6 * printed if relative else half_a_digit(printed)
        yield Example("segmentation", metric, source, place, printed, within, _value(metric, pair))


def _row(
    source: Source,
    place: str,
    metric: str,
    printed: float,
    reference: Bools,
    prediction: Bools,
    *,
    spacing_mm: Spacing | None = None,
    within: float | None = None,
    note: str = "",
) -> Example:
    pair = MaskPair(reference, prediction, spacing_mm or (1.0,) * reference.ndim)
    return Example(
        "segmentation", metric, source, place, printed,
        half_a_digit(printed) if within is None else within, _value(metric, pair), note,
    )  # fmt: skip


def _value(metric: str, pair: MaskPair) -> Callable[[], float | None]:
    return lambda: segmentation.values_of((metric,), pair)[metric].value
