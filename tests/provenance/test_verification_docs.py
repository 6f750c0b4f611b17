import re
from pathlib import Path

from medperf.provenance.bundle import FORMAT
from medperf.provenance.predicates import PREDICATES
from medperf.provenance.verdict import STEPS

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def test_the_steps_are_those_that_the_reference_explains():
    text = (REFERENCE / "verification.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (\d+)\. (.+)$", text, flags=re.MULTILINE)
    assert {int(number): title for number, title in headings} == STEPS


def test_the_reference_names_the_format_of_bundles():
    assert f"`{FORMAT}`" in (REFERENCE / "verification.md").read_text(encoding="utf-8")


def test_the_reference_names_every_kind_of_leaf():
    text = (REFERENCE / "log.md").read_text(encoding="utf-8")
    assert all(f"`{predicate.kind}`" in text for predicate in PREDICATES)
