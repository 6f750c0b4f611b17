"""The reference page says what the code says."""

from pathlib import Path

import pytest

from medperf.analysis.metrics.classification_table import DEFINITIONS
from medperf.analysis.metrics.definition import Missing
from medperf.analysis.metrics.segmentation_table import DEFINITIONS as OF_SEGMENTATION
from medperf.domain.results import MissingEstimate

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/reference/results.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(DEFINITIONS))
def test_every_metric_stands_in_the_table_with_its_definition(name):
    metric = DEFINITIONS[name]
    (line,) = [
        line for line in PAGE.splitlines() if line.startswith(f"| `{name}` | {metric.title}")
    ]
    cells = [cell.strip() for cell in line.split("|")]
    expected = [metric.direction, f"{metric.lower:g} to {metric.upper:g}", metric.counted]
    assert cells[3:8] == [*expected, metric.average, metric.edge]


@pytest.mark.parametrize("name", sorted(OF_SEGMENTATION))
def test_every_segmentation_metric_stands_in_its_table(name):
    metric = OF_SEGMENTATION[name]
    (line,) = [
        line for line in PAGE.splitlines() if line.startswith(f"| `{name}` | {metric.title}")
    ]
    cells = [cell.strip() for cell in line.split("|")]
    assert cells[5:8] == [metric.unit, metric.edge, metric.source]


def test_every_reason_for_a_missing_value_is_explained():
    assert all(f"| `{reason}` |" in PAGE for reason in Missing)


def test_the_page_shows_the_evaluators_own_example_of_its_parameters():
    example = ROOT / "src/medperf/components/evaluator/component/parameters.yaml"
    assert example.read_text(encoding="utf-8") in PAGE


def test_a_result_may_give_every_reason():
    assert all(MissingEstimate(name="auroc", reason=reason.value) for reason in Missing)
