"""The starters work as written: raw files through preparation, inference and evaluation."""

import subprocess
import sys

import pytest
import yaml

from medperf.components.starters import KINDS, write_starter
from medperf.domain.benchmarks import AnalysisPlan
from medperf.domain.containers import ContainerConfig, Role, faults
from medperf.domain.errors import DuplicateError, NotFoundError
from medperf.domain.results import TypedResult
from medperf.site.case_statistics import CaseStatistics
from medperf.site.gate import EvaluatorFiles, examine

RAW = "case_id,age_years\na,30\nb,70\nc,80\nd,50\n"
LABELS = "case_id,label\na,negative\nb,positive\nc,negative\nd,negative\n"


@pytest.fixture
def raw(tmp_path):
    for folder, text in (("raw", RAW), ("raw_labels", LABELS)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "export.csv").write_text(text)
    return tmp_path


def run(kind, top, task, **folders):
    folder = top / f"starter-{kind}"
    if not folder.exists():
        write_starter(kind, folder)
    flags = [f"--{key}={top / place}" for key, place in folders.items()]
    return subprocess.run(
        [sys.executable, "-B", "main.py", task, "--parameters_file=parameters.yaml", *flags],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


def prepare(top):
    return run(
        "preparator", top, "prepare", data_path="raw", labels_path="raw_labels",
        output_path="data", output_labels_path="labels", report_file="report.yaml",
    )  # fmt: skip


def test_the_three_starters_work_together(raw):
    assert prepare(raw).returncode == 0
    prepared = {"data_path": "data", "labels_path": "labels"}
    assert run("preparator", raw, "sanity_check", **prepared).returncode == 0
    assert run("preparator", raw, "statistics", **prepared, output_path="s.yaml").returncode == 0
    assert yaml.safe_load((raw / "s.yaml").read_text())["n_cases"] == 4
    done = run("model", raw, "infer", data_path="data", output_path="predictions")
    assert (done.returncode, done.stdout) == (0, "predicted 4 cases\n")
    done = run(
        "evaluator", raw, "evaluate", predictions="predictions", labels="labels",
        output_path="results.yaml", local_outputs_path="local",
    )  # fmt: skip
    assert done.returncode == 0
    result = TypedResult.model_validate(yaml.safe_load((raw / "results.yaml").read_text()))
    assert [(m.name, m.value, m.n) for m in result.metrics] == [("accuracy", 0.75, 4)]
    header = (raw / "local/cases.csv").read_text().splitlines()[0]
    assert header == "case,patient,accuracy,failure"


def test_the_preparator_starter_reports_what_a_person_must_correct(raw):
    (raw / "raw/export.csv").write_text(RAW.replace("70", "seventy"))
    assert prepare(raw).returncode == 1
    report = yaml.safe_load((raw / "report.yaml").read_text())
    assert report["comment"]["b"] == "'age_years' is not a number"
    assert [case for case, status in report["status"].items() if status < 0] == ["b"]


def test_the_evaluator_starter_counts_cases_without_a_prediction(raw):
    prepare(raw)
    (raw / "predictions").mkdir()
    (raw / "predictions/predictions.csv").write_text("case_id,probability\na,0.1\n")
    run(
        "evaluator", raw, "evaluate", predictions="predictions", labels="labels",
        output_path="results.yaml", local_outputs_path="local",
    )  # fmt: skip
    assert yaml.safe_load((raw / "results.yaml").read_text())["n_failed"] == 3
    # And a hospital can compute its number again, as plans with evidence have it.
    metric = {"name": "accuracy", "evidence": "mean"}
    plan = AnalysisPlan(metrics=(metric,), primary="accuracy", smallest_cell=1)
    left = EvaluatorFiles(raw / "results.yaml", raw / "local/cases.csv", "x")
    assert examine(left, plan, CaseStatistics(lambda: b"s" * 32)).findings == ()


@pytest.mark.parametrize("kind", KINDS)
def test_a_starter_keeps_the_container_contract(tmp_path, kind):
    folder = write_starter(kind, tmp_path / "new")
    config = yaml.safe_load((folder / "container_config.yaml").read_text())
    assert faults(ContainerConfig.model_validate(config), Role(kind)) == []
    assert {p.name for p in folder.iterdir()} == {
        "Dockerfile", "container_config.yaml", "main.py", "parameters.yaml", "requirements.txt",
    }  # fmt: skip


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "main.py").write_text("mine")
    with pytest.raises(DuplicateError):
        write_starter("model", tmp_path)
    assert (tmp_path / "main.py").read_text() == "mine"


def test_an_unknown_kind_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(NotFoundError, match="preparator, model, evaluator"):
        write_starter("trainer", tmp_path / "new")
