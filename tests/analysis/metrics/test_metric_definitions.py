"""The page that explains definitions shows values that come out, here and in the libraries named."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest

from medperf.analysis.metrics.masks import MaskPair
from medperf.analysis.metrics.segmentation import values_of

VECTORS = Path(__file__).parent / "vectors"
CASE = json.loads((VECTORS / "segmentation.json").read_text())["cases"][1]
THEIRS = json.loads((VECTORS / "definitions.json").read_text())["values"]
PAGE = Path(__file__).parents[3] / "docs/explanation/metric-definitions.md"
PROSE = PAGE.read_text(encoding="utf-8").partition("## One pair of masks")[2].partition("And on")[0]
ROWS = re.findall(
    r"^\| (`[^`]+`|\(not ours\)) \| ([\d.]+)(?: mm)? \| (.*) \|$", PROSE, re.MULTILINE
)


def masks():
    shape = tuple(CASE["shape"])
    for which in ("reference", "prediction"):
        bits = np.unpackbits(np.frombuffer(base64.b64decode(CASE[which]), dtype=np.uint8))
        yield bits[: np.prod(shape)].reshape(shape).astype(bool)


def said_by(library):
    return THEIRS[library].values()


def test_the_table_shows_every_definition():
    assert len(ROWS) == 10


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_value_of_the_page_is_ours_and_that_of_the_libraries_named(row):
    name, printed, who = row
    if name.startswith("`"):
        metric = name.strip("`")
        [found] = values_of((metric,), MaskPair(*masks(), tuple(CASE["spacing_mm"]))).values()
        assert found.value == pytest.approx(float(printed), abs=5.1e-5)
    for library in THEIRS:
        # What is printed is among the numbers that a library named here gave for this pair.
        near = [abs(value - float(printed)) < 5.1e-5 for value in said_by(library)]
        assert any(near) == (library in who), library
