"""Segmentation metrics equal a slow, direct reading of their definitions, and other libraries."""

import base64
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from medperf.analysis.metrics.definition import Missing
from medperf.analysis.metrics.label_maps import LabelMapPair
from medperf.analysis.metrics.segmentation import MaskPair, definition, values_of
from medperf.analysis.metrics.segmentation_table import DEFINITIONS
from medperf.analysis.metrics.surfels import surface_of
from medperf.domain.benchmarks import METRIC_NAME_PATTERN
from medperf.domain.errors import InvalidRequestError, NotSupportedError

NUMBERS = {"tolerance": "1.5", "width": "1", "penalty": "374", "dilation": "1", "volume": "5"}
NAMES = tuple(
    re.sub("<([a-z]+)>", lambda found: NUMBERS[found[1]], name)
    for name in DEFINITIONS
    if name != "cldice_lee"  # slow to import; it has tests of its own
)
# A lesion-wise rule counts lesions above a volume, and a rim is cut off at the edge of the image.
LESIONS = tuple(name for name in NAMES if name.startswith("lesion"))
VECTORS = json.loads((Path(__file__).parent / "vectors/segmentation.json").read_text())


@st.composite
def pairs(draw: st.DrawFn) -> MaskPair:
    shape = tuple(draw(st.lists(st.integers(1, 7), min_size=2, max_size=3)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    share = draw(st.sampled_from([0.1, 0.5, 0.95]))
    spacing = tuple(draw(st.sampled_from([0.5, 1.0, 3.0])) for _ in shape)
    masks = [rng.random(shape) < share for _ in range(2)]
    for mask in masks:
        mask.flat[draw(st.integers(0, mask.size - 1))] = True
    return MaskPair(masks[0], masks[1], spacing)


def boundary(mask, spacing):
    """Voxels with a face neighbor outside of the mask, found one by one."""
    found = []
    for voxel in np.argwhere(mask):
        for axis in range(mask.ndim):
            for step in (-1, 1):
                near = voxel.copy()
                near[axis] += step
                inside = (near >= 0).all() and (near < mask.shape).all()
                if not inside or not mask[tuple(near)]:
                    found.append(voxel)
    return np.unique(found, axis=0) * spacing


def direct(pair):
    between = cdist(*(boundary(m, pair.spacing_mm) for m in (pair.prediction, pair.reference)))
    there, back = between.min(axis=1), between.min(axis=0)
    both = np.concatenate((there, back))
    shared = (pair.reference & pair.prediction).sum()
    sizes = pair.reference.sum(), pair.prediction.sum()
    rims = [rim(mask, pair.spacing_mm, 1.0) for mask in (pair.reference, pair.prediction)]
    return {
        "voxel_sensitivity": shared / sizes[0],
        "voxel_precision": shared / sizes[1],
        "absolute_volume_difference": abs(int(sizes[0]) - int(sizes[1]))
        * np.prod(pair.spacing_mm)
        / 1000,
        "relative_volume_difference": abs(int(sizes[0]) - int(sizes[1])) / sizes[0],
        "boundary_iou@1mm": (rims[0] & rims[1]).sum() / (rims[0] | rims[1]).sum(),
        "dsc": 2 * shared / (pair.reference.sum() + pair.prediction.sum()),
        "iou": shared / (pair.reference | pair.prediction).sum(),
        "hd_voxel": both.max(),
        "hd95_voxel_directed": max(np.percentile(there, 95), np.percentile(back, 95)),
        "hd95_voxel_pooled": np.percentile(both, 95),
        "assd_voxel": both.mean(),
        "nsd_voxel@1.5mm": (both <= 1.5 + 1e-9).mean(),
    }


def rim(mask, spacing, width):
    """Voxels of the mask at most ``width`` from the outside, or touching it, one by one."""
    outside = np.argwhere(~np.pad(mask, 1)) * spacing
    inside = np.argwhere(np.pad(mask, 1))
    near = cdist(inside * spacing, outside).min(axis=1) <= width + 1e-9
    found = np.zeros(np.pad(mask, 1).shape, dtype=bool)
    found[tuple(inside[near].T)] = True
    for voxel in boundary(mask, (1,) * mask.ndim):
        found[tuple(voxel + 1)] = True
    return found[(slice(1, -1),) * mask.ndim]


@settings(max_examples=40, deadline=None)
@given(pair=pairs())
def test_values_equal_a_direct_reading_of_the_definition(pair):
    expected = direct(pair)
    found = {name: value.value for name, value in values_of(expected, pair).items()}
    assert found == pytest.approx(expected, abs=1e-9)


def unpacked(case):
    shape = case["shape"]
    masks = (
        np.unpackbits(np.frombuffer(base64.b64decode(case[key]), np.uint8))
        for key in ("reference", "prediction")
    )
    both = (mask[: np.prod(shape)].reshape(shape).astype(bool) for mask in masks)
    return MaskPair(*both, tuple(case["spacing_mm"]))


@pytest.mark.parametrize("number", range(len(VECTORS["cases"])))
def test_values_equal_those_of_other_libraries(number):
    case = VECTORS["cases"][number]
    expected = {k: v for k, v in case["values"].items() if k != "cldice_lee"}
    found = {name: value.value for name, value in values_of(expected, unpacked(case)).items()}
    # MONAI computes in single precision.
    assert found == pytest.approx(expected, rel=2e-6, abs=1e-6)


@pytest.mark.parametrize("number", range(len(VECTORS["cases"])))
def test_center_line_dice_equals_that_of_the_library_that_thins(number):
    pytest.importorskip("skimage")
    case = VECTORS["cases"][number]
    found = values_of(["cldice_lee"], unpacked(case))["cldice_lee"].value
    assert found == pytest.approx(case["values"]["cldice_lee"], abs=1e-9)


def test_without_a_library_that_thins_center_line_dice_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.morphology", None)
    with pytest.raises(NotSupportedError, match="needs scikit-image"):
        values_of(["cldice_lee"], MaskPair(FULL, FULL, (1.0, 1.0)))


def test_two_voxels_that_touch_by_an_edge_have_the_surface_of_both():
    pair = np.zeros((2, 2, 1), dtype=bool)
    pair[0, 0], pair[1, 1] = True, True
    one = np.ones((1, 1, 1), dtype=bool)
    # A single voxel is cut off by eight triangles of a regular octahedron with edges of root 1/2.
    assert surface_of(one, (1.0, 1.0, 1.0)).areas.sum() == pytest.approx(np.sqrt(3))
    assert surface_of(pair, (1.0, 1.0, 1.0)).areas.sum() == pytest.approx(2 * np.sqrt(3))


@settings(max_examples=20, deadline=None)
@given(pair=pairs(), axis=st.integers(0, 1))
def test_a_mirror_image_has_the_same_surface(pair, axis):
    area = surface_of(pair.reference, pair.spacing_mm).areas.sum()
    mirrored = surface_of(np.flip(pair.reference, axis), pair.spacing_mm).areas.sum()
    assert mirrored == pytest.approx(area)
    inside = ~np.pad(~pair.reference, 1, constant_values=True)
    assert surface_of(inside, pair.spacing_mm).areas.sum() == pytest.approx(area)


@settings(max_examples=20, deadline=None)
@given(pair=pairs())
def test_empty_space_around_the_masks_changes_nothing(pair):
    wide = MaskPair(np.pad(pair.reference, 3), np.pad(pair.prediction, 3), pair.spacing_mm)
    names = set(NAMES) - set(LESIONS)  # at the edge of an image there is less room to dilate
    found = {name: value.value for name, value in values_of(names, wide).items()}
    assert found == pytest.approx(
        {name: value.value for name, value in values_of(names, pair).items()}
    )


@settings(max_examples=20, deadline=None)
@given(pair=pairs())
def test_a_mask_equals_itself(pair):
    same = values_of(NAMES, MaskPair(pair.reference, pair.reference, pair.spacing_mm))
    for name, value in same.items():
        if value.missing is Missing.NO_OBJECTS:
            assert name in LESIONS  # every lesion is too small to count
            continue
        assert value.value == (1.0 if definition(name).direction == "higher" else 0.0)


def test_distances_are_in_millimeters_along_each_axis():
    first, second = np.zeros((2, 5, 5), dtype=bool)
    first[0, 0], second[3, 0] = True, True
    assert values_of(["hd_voxel"], MaskPair(first, second, (2.0, 9.0)))["hd_voxel"].value == 6.0


def test_the_two_ways_to_take_a_percentile_differ():
    reference, prediction = np.zeros((2, 40, 40), dtype=bool)
    reference[1:31, 5:35], prediction[1:31, 5:35] = True, True
    prediction[31:39, 20] = True  # a spike: 7 % of the prediction's boundary, 3 % of both
    found = values_of(NAMES, MaskPair(reference, prediction, (1.0, 1.0)))
    assert found["hd95_voxel_directed"].value > 1.0
    assert found["hd95_voxel_pooled"].value == 0.0


EMPTY, FULL = np.zeros((3, 3), dtype=bool), np.ones((3, 3), dtype=bool)


@pytest.mark.parametrize("name", NAMES)
def test_two_empty_masks_have_no_value(name):
    value = values_of([name], MaskPair(EMPTY, EMPTY, (1.0, 1.0)))[name]
    assert value.missing is Missing.EMPTY_BOTH


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("masks", [(EMPTY, FULL), (FULL, EMPTY)])
def test_one_empty_mask_has_no_distance_and_no_overlap(name, masks):
    value = values_of([name], MaskPair(*masks, (1.0, 1.0)))[name]
    edge = definition(name).edge
    if "374 mm" in edge:
        assert value.value == 374.0
    elif "0 if one is" in edge or "f1" in name:
        assert value.value == 0.0
    elif name == "absolute_volume_difference":
        assert value.value == pytest.approx(0.009)
    elif "if the reference" in edge or "if the predicted" in edge:
        assert value.missing in {Missing.EMPTY_ONE, None}
    elif name not in LESIONS:
        assert value.missing is Missing.EMPTY_ONE


@pytest.mark.parametrize("name", NAMES)
def test_a_name_can_be_declared_in_a_plan(name):
    assert re.match(METRIC_NAME_PATTERN, name)


def test_masks_must_fit_each_other_and_their_spacing():
    with pytest.raises(InvalidRequestError, match="differ in shape"):
        MaskPair(FULL, FULL[:2], (1.0, 1.0))
    with pytest.raises(InvalidRequestError, match="2 numbers above 0"):
        MaskPair(FULL, FULL, (1.0,))


def test_a_distance_without_its_definition_in_the_name_is_refused():
    with pytest.raises(InvalidRequestError, match="no metric 'hd95'; known: absolute"):
        values_of(["hd95"], MaskPair(FULL, FULL, (1.0, 1.0)))


def tumor():
    reference, prediction = np.zeros((2, 6, 6, 6), dtype=np.uint8)
    reference[1:5, 1:5, 1:5] = 2
    reference[2:4, 2:4, 2:4] = 4
    prediction[1:5, 1:5, 1:5] = 1
    return LabelMapPair(reference, prediction, (1.0, 1.0, 1.0))


def test_a_region_is_composed_of_labels():
    wanted = {"whole_tumor": (1, 2, 4), "enhancing": (4,), "absent": (7,)}
    found = {name: values_of(["dsc"], pair)["dsc"] for name, pair in tumor().regions(wanted)}
    assert found["whole_tumor"].value == 1.0
    assert found["enhancing"].value == 0.0
    assert found["absent"].missing is Missing.EMPTY_BOTH


def test_the_background_can_be_a_region():
    ((_, pair),) = tumor().regions({"healthy": (0,)})
    assert pair.reference.sum() == 6**3 - 4**3


def test_label_maps_must_fit_each_other():
    with pytest.raises(InvalidRequestError, match="label maps differ in shape"):
        LabelMapPair(np.zeros((2, 2), int), np.zeros((2, 3), int), (1.0, 1.0))


def test_masks_have_two_or_three_dimensions():
    with pytest.raises(InvalidRequestError, match="two or three dimensions, not 1"):
        MaskPair(FULL[0], FULL[0], (1.0,))


def test_a_missed_lesion_and_a_false_positive_count_the_worst_value():
    reference, prediction = np.zeros((2, 30, 12, 12), dtype=bool)
    reference[2:5, 2:5, 2:5], prediction[2:5, 2:5, 2:5] = True, True
    reference[14:17, 2:5, 2:5] = True  # missed
    prediction[25:28, 8:11, 8:11] = True  # false positive
    found = values_of(
        ["lesion_dsc_brats@1-5mm3", "lesion_hd95_brats@1-5mm3", "lesion_f1_brats@1-5mm3"],
        MaskPair(reference, prediction, (1.0, 1.0, 1.0)),
    )
    assert [value.value for value in found.values()] == pytest.approx([1 / 3, 374 * 2 / 3, 0.5])


def test_lesions_too_small_to_count_leave_nothing_to_measure():
    small = np.zeros((5, 5, 5), dtype=bool)
    small[2, 2, 2] = True
    found = values_of(["lesion_dsc_brats@3-50mm3"], MaskPair(small, small, (1.0, 1.0, 1.0)))
    assert found["lesion_dsc_brats@3-50mm3"].missing is Missing.NO_OBJECTS


@given(pair=pairs())
@settings(max_examples=40)
def test_the_order_of_the_axes_in_memory_does_not_matter(pair):
    # What nibabel reads has the first axis fastest; what numpy makes has the last.
    turned = MaskPair(
        np.asfortranarray(pair.reference), np.asfortranarray(pair.prediction), pair.spacing_mm
    )
    assert values_of(NAMES, turned) == values_of(NAMES, pair)


def test_far_elements_are_found_in_either_order_of_memory():
    reference, prediction = (np.zeros((30, 25, 9), dtype=np.uint8) for _ in range(2))
    reference[3:12, 4:13, 2:5] = 1
    prediction[9:24, 8:21, 3:8] = 1
    spacing = (0.78125, 0.78125, 6.5)
    names = ("hd95_surfel", "assd_surfel", "nsd_surfel@2mm", "hd_voxel", "nsd_voxel@2mm")
    found = [
        values_of(names, masks)
        for maps in (
            LabelMapPair(reference, prediction, spacing),
            LabelMapPair(np.asfortranarray(reference), np.asfortranarray(prediction), spacing),
        )
        for _, masks in maps.regions({"lesion": (1,)})
    ]
    assert found[0] == found[1]
