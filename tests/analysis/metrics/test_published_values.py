"""Values that papers and libraries print for their own examples come out here as well.

The rows are in ``tests/published``; the page ``docs/reference/published-values.md`` is made of them.
"""

import base64
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from published.differences import differences
from published.rows import TABLES, UNPUBLISHED, examples, family_of

from medperf.analysis.metrics import phases, segmentation
from medperf.analysis.metrics.masks import MaskPair
from medperf.analysis.metrics.phases import Video

ROOT = Path(__file__).parents[3]
VECTORS = Path(__file__).parent / "vectors"
EXAMPLES = tuple(examples())
DIFFERENCES = tuple(differences())
LESIONS = json.loads((VECTORS / "lesions.json").read_text())
SEGMENTS = json.loads((VECTORS / "segments.json").read_text())["cases"]


@pytest.mark.parametrize("row", EXAMPLES, ids=lambda row: f"{row.metric}-{row.place}")
def test_a_published_value_is_reproduced(row):
    assert row.ours() == pytest.approx(row.printed, rel=0, abs=row.within)


@pytest.mark.parametrize("row", DIFFERENCES, ids=lambda row: f"{row.metric}-{row.place}")
def test_a_value_that_differs_on_purpose_is_what_is_said(row):
    found = row.value()
    assert found == (None if row.ours is None else pytest.approx(row.ours, rel=0, abs=5e-5))
    assert found is None or abs(found - row.printed) > 5e-5


def test_every_metric_has_a_published_example_or_says_what_checks_it():
    shown = {(row.task, family_of(row.task, row.metric)) for row in EXAMPLES}
    there_are = {(task, family) for task, table in TABLES.items() for family in table}
    assert shown | set(UNPUBLISHED) == there_are
    assert not shown & set(UNPUBLISHED)


def test_the_page_of_published_values_is_current():
    place = ROOT / "docs/published_values_reference.py"
    spec = importlib.util.spec_from_file_location("published_values_reference", place)
    assert spec
    assert spec.loader
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    written = generator.PAGE.read_text(encoding="utf-8")
    assert written == generator.render(), "run: python docs/published_values_reference.py"


def mask_of(packed):
    shape = LESIONS["shape"]
    bits = np.unpackbits(np.frombuffer(base64.b64decode(packed), dtype=np.uint8))
    return bits[: np.prod(shape)].reshape(shape).astype(bool)


@pytest.mark.parametrize("case", LESIONS["cases"], ids=range(len(LESIONS["cases"])))
def test_lesion_wise_values_equal_those_of_the_program_of_brats(case):
    masks = (mask_of(case[which]) for which in ("reference", "prediction"))
    found = segmentation.values_of(case["values"], MaskPair(*masks, tuple(LESIONS["spacing_mm"])))
    assert {name: each.value for name, each in found.items()} == pytest.approx(case["values"])


@pytest.mark.parametrize("case", SEGMENTS, ids=range(len(SEGMENTS)))
def test_segments_of_a_video_score_as_in_the_program_of_ms_tcn(case):
    video = Video(np.array(case["reference"]), np.array(case["prediction"]), 1.0)
    found = phases.values_of(case["values"], video)
    assert {name: each.value for name, each in found.items()} == pytest.approx(case["values"])
