"""An analysis plan says what may leave, and contradicts itself never."""

import pytest
from pydantic import ValidationError

from medperf.domain.associations import AssociationForm
from medperf.domain.benchmarks import AnalysisPlan, PlannedMetric

AUROC = PlannedMetric(name="auroc", lower=0, upper=1)


def test_a_typed_plan_has_a_primary_metric_of_its_own():
    assert AnalysisPlan(metrics=(AUROC,), primary="auroc").primary == "auroc"
    with pytest.raises(ValidationError, match="primary must be one of the metrics: auroc"):
        AnalysisPlan(metrics=(AUROC,), primary="f1")


def test_a_metric_is_declared_once():
    with pytest.raises(ValidationError, match="declared twice"):
        AnalysisPlan(metrics=(AUROC, AUROC), primary="auroc")


def test_a_plan_that_declares_nothing_is_refused():
    with pytest.raises(ValidationError, match="at least one metric"):
        AnalysisPlan()


def test_a_free_form_plan_lists_its_keys_and_no_metrics():
    assert AnalysisPlan(free_form=True, free_form_keys=("a.*",)).metrics == ()
    with pytest.raises(ValidationError, match="free_form_keys"):
        AnalysisPlan(free_form=True)


def test_a_plan_is_written_with_its_schema_under_the_public_name():
    written = AnalysisPlan(metrics=(AUROC,), primary="auroc").model_dump(mode="json")
    assert written["schema"] == "medperf.plan/v1"
    assert AnalysisPlan.model_validate(written).primary == "auroc"


@pytest.mark.parametrize(
    "subject",
    [{}, {"model_id": 1}, {"dataset_id": 1, "model_id": 1}],
    ids=["none", "other", "both"],
)
def test_an_association_names_exactly_its_subject(subject):
    with pytest.raises(ValidationError, match="dataset_id"):
        AssociationForm(benchmark_id=1, kind="dataset", **subject)
