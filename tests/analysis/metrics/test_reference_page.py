"""The reference pages say what the code says."""

import importlib.util
from pathlib import Path

import pytest

from medperf.analysis.metrics.definition import Missing
from medperf.domain.results import MissingEstimate

ROOT = Path(__file__).parents[3]
RESULTS = (ROOT / "docs/reference/results.md").read_text(encoding="utf-8")
COMPONENT = ROOT / "src/medperf/components/evaluator/component"
PARAMETERS = [COMPONENT / "parameters.yaml", *sorted((COMPONENT / "examples").glob("*.yaml"))]


def test_the_reference_of_metrics_is_current():
    place = ROOT / "docs/metrics_reference.py"
    spec = importlib.util.spec_from_file_location("metrics_reference", place)
    assert spec
    assert spec.loader
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    assert generator.PAGE.read_text() == generator.render(), "run: python docs/metrics_reference.py"


def test_the_example_of_the_library_runs(capsys):
    page = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
    example = page.partition("```python\n")[2].partition("```")[0]
    exec(example, {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert lines[0].startswith("whole_tumor dsc 0.97")
    assert lines[4] == "enhancing_tumor hd95_surfel None empty_one"


def test_every_reason_for_a_missing_value_is_explained():
    assert all(f"| `{reason}` |" in RESULTS for reason in Missing)


def test_a_result_may_give_every_reason():
    assert all(MissingEstimate(name="auroc", reason=reason.value) for reason in Missing)


@pytest.mark.parametrize("path", PARAMETERS, ids=lambda path: path.stem)
def test_the_page_shows_every_example_of_parameters(path):
    assert path.read_text(encoding="utf-8") in RESULTS
