"""Segmentation metrics equal a slow, direct reading of their definitions."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from medperf.analysis.metrics.definition import Missing
from medperf.analysis.metrics.segmentation import MaskPair, definition, values_of
from medperf.analysis.metrics.segmentation_table import DEFINITIONS
from medperf.domain.benchmarks import METRIC_NAME_PATTERN
from medperf.domain.errors import InvalidRequestError

NAMES = tuple(name.replace("<tolerance>", "1.5") for name in DEFINITIONS)


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
    return {
        "dsc": 2 * shared / (pair.reference.sum() + pair.prediction.sum()),
        "iou": shared / (pair.reference | pair.prediction).sum(),
        "hd_voxel": both.max(),
        "hd95_voxel_directed": max(np.percentile(there, 95), np.percentile(back, 95)),
        "hd95_voxel_pooled": np.percentile(both, 95),
        "assd_voxel": both.mean(),
        "nsd_voxel@1.5mm": (both <= 1.5 + 1e-9).mean(),
    }


@settings(max_examples=60, deadline=None)
@given(pair=pairs())
def test_values_equal_a_direct_reading_of_the_definition(pair):
    found = {name: value.value for name, value in values_of(NAMES, pair).items()}
    assert found == pytest.approx(direct(pair), abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(pair=pairs())
def test_empty_space_around_the_masks_changes_nothing(pair):
    wide = MaskPair(np.pad(pair.reference, 3), np.pad(pair.prediction, 3), pair.spacing_mm)
    assert values_of(NAMES, wide) == values_of(NAMES, pair)


@settings(max_examples=20, deadline=None)
@given(pair=pairs())
def test_a_mask_equals_itself(pair):
    same = values_of(NAMES, MaskPair(pair.reference, pair.reference, pair.spacing_mm))
    for name, value in same.items():
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
    if definition(name).unit == "mm":
        assert value.missing is Missing.EMPTY_ONE
    else:
        assert value.value == 0.0


@pytest.mark.parametrize("name", NAMES)
def test_a_name_can_be_declared_in_a_plan(name):
    assert re.match(METRIC_NAME_PATTERN, name)


def test_masks_must_fit_each_other_and_their_spacing():
    with pytest.raises(InvalidRequestError, match="differ in shape"):
        MaskPair(FULL, FULL[:2], (1.0, 1.0))
    with pytest.raises(InvalidRequestError, match="2 numbers above 0"):
        MaskPair(FULL, FULL, (1.0,))


def test_a_distance_without_its_definition_in_the_name_is_refused():
    with pytest.raises(InvalidRequestError, match="no metric 'hd95'; known: assd_voxel"):
        values_of(["hd95"], MaskPair(FULL, FULL, (1.0, 1.0)))
