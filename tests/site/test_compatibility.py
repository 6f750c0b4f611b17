"""The compatibility test: a whole workflow without server and site, and what it says of failures."""

import threading

import pytest
import yaml
from hospital import (
    EVALUATOR,
    LIMITS,
    MODEL,
    OLDER_PREPARATOR,
    PREPARATOR,
    Hospital,
    evaluate,
    prepare,
)

from medperf.domain.benchmarks import AnalysisPlan, PlannedMetric
from medperf.domain.container_records import ContainerForm
from medperf.domain.errors import (
    CancelledError,
    DiskFullError,
    EmptyInputError,
    InvalidDataError,
    MalformedFileError,
    PreparationIncompleteError,
    StepFailedError,
    StepOutputError,
    UndeclaredValueError,
    WithheldError,
)
from medperf.policy.disclosure import check_values
from medperf.site.compatibility import CompatibilityTest, local_record
from medperf.site.compatibility_report import Workflow, WorkflowData
from medperf.site.demo_data import read_demo_data

PLAN = AnalysisPlan(
    metrics=(PlannedMetric(name="accuracy", lower=0, upper=1),), primary="accuracy", smallest_cell=1
)
WHOLE = Workflow(model=MODEL, evaluator=EVALUATOR, plan=PLAN, preparator=PREPARATOR)


@pytest.fixture
def hospital(tmp_path):
    return Hospital(tmp_path)


@pytest.fixture
def run(hospital):
    test = CompatibilityTest(hospital.steps, hospital.folder / "test", limits=lambda task: LIMITS)

    def run(workflow=WHOLE, **options):
        if not (hospital.folder / "raw").exists():
            hospital.raw()
        raw = hospital.folder / "raw"
        return test.run(workflow, WorkflowData(raw / "data", raw / "labels", 3), **options)

    return run


def states(report):
    return {part.name: part.state for part in report.parts}


def test_whole_workflow_passes(run, hospital):
    seen = []
    report = run(progress=seen.append)
    assert report.has_passed
    assert seen == ["prepare", "sanity_check", "statistics", "infer", "evaluate", "examine"]
    assert set(states(report).values()) == {"passed"}
    assert report.document["metrics"][0]["name"] == "accuracy"
    assert report.statistics == {"n_cases": 3, "mean_size": 7.5}
    assert hospital.tasks_run() == ["prepare", "sanity_check", "statistics", "infer", "evaluate"]


def test_prepared_data_need_no_preparator(run, hospital):
    report = run(Workflow(model=MODEL, evaluator=EVALUATOR, plan=PLAN))
    assert report.has_passed
    assert hospital.tasks_run() == ["infer", "evaluate"]
    assert set(report.tested) == {"model", "evaluator"}


def test_older_preparator_gives_the_evaluator_its_data_folder_for_labels(run, hospital):
    seen = []

    def evaluate_too(call):
        seen.extend(path.name for path in call.paths["labels"].iterdir())
        evaluate(call)

    hospital.let(EVALUATOR, "evaluate", evaluate_too)
    assert run(Workflow(MODEL, EVALUATOR, PLAN, OLDER_PREPARATOR)).has_passed
    assert len(seen) == 3


def test_without_a_plan_it_says_that_nothing_was_examined(run):
    report = run(Workflow(model=MODEL, evaluator=EVALUATOR, plan=None))
    assert report.has_passed
    assert "no analysis plan" in report.parts[-1].message
    assert report.document is None


def test_outcome_holds_no_result_and_may_leave(run):
    outcome = run().outcome()
    assert outcome["passed"] is True
    assert check_values(outcome) == []
    text = yaml.safe_dump(outcome)
    assert "accuracy" not in text
    assert outcome["tested"]["model"] == MODEL.digest


def crash(call):
    raise KeyError("column 'age' of patient 4711")


@pytest.mark.parametrize(
    ("record", "task", "function", "error", "failed"),
    [
        (PREPARATOR, "prepare", crash, PreparationIncompleteError, "prepare"),
        (PREPARATOR, "prepare", lambda call: None, StepOutputError, "prepare"),
        (PREPARATOR, "sanity_check", lambda call: 1, InvalidDataError, "sanity_check"),
        (PREPARATOR, "statistics", lambda call: None, StepOutputError, "statistics"),
        (MODEL, "infer", crash, StepFailedError, "infer"),
        (MODEL, "infer", lambda call: None, StepOutputError, "infer"),
        (EVALUATOR, "evaluate", crash, StepFailedError, "evaluate"),
    ],
)
def test_failing_part_is_named_and_the_rest_is_skipped(
    run, hospital, record, task, function, error, failed
):
    hospital.let(record, task, function)
    report = run()
    assert isinstance(report.error, error)
    names = list(states(report))
    assert states(report)[failed] == "failed"
    assert {states(report)[name] for name in names[: names.index(failed)]} <= {"passed"}
    assert {states(report)[name] for name in names[names.index(failed) + 1 :]} <= {"skipped"}
    part = next(part for part in report.parts if part.name == failed)
    assert str(part.log_path) in part.message or "log" in part.message
    assert "4711" not in part.message
    assert report.outcome()["failure"] == report.error.code
    assert check_values(report.outcome()) == []


@pytest.mark.parametrize(
    ("results", "error"),
    [
        (
            {
                "schema": "medperf.results/v1",
                "n_cases": 3,
                "metrics": [{"name": "auroc", "value": 0.5, "n": 3}],
            },
            UndeclaredValueError,
        ),
        ({"accuracy": "very good"}, WithheldError),
    ],
)
def test_results_that_may_not_leave_are_found_before_registering(run, hospital, results, error):
    hospital.let(
        EVALUATOR,
        "evaluate",
        lambda call: call.paths["output_path"].write_text(yaml.safe_dump(results)) and 0,
    )
    report = run()
    assert isinstance(report.error, error)
    assert states(report)["examine"] == "failed"
    assert report.document is None


def test_results_nested_without_end_are_a_finding_and_no_crash(run, hospital):
    hospital.let(
        EVALUATOR,
        "evaluate",
        lambda call: call.paths["output_path"].write_text("[" * 200_000) and 0,
    )
    assert isinstance(run().error, WithheldError)


def test_malformed_report_fails_the_preparation(run, hospital):
    def strange(call):
        prepare(call)
        call.paths["report_file"].write_text("status: none of them")

    hospital.let(PREPARATOR, "prepare", strange)
    report = run()
    assert isinstance(report.error, MalformedFileError)
    assert states(report)["prepare"] == "failed"


def test_full_disk_is_no_verdict_on_the_containers(run, hospital):
    hospital.steps._reserve_bytes = 2**62
    with pytest.raises(DiskFullError):
        run()


def test_test_can_be_stopped(run, hospital):
    cancel = threading.Event()
    hospital.let(MODEL, "infer", lambda call: (cancel.set(), call.sleep(1))[1])
    with pytest.raises(CancelledError):
        run(cancel=cancel)


def test_next_test_starts_from_an_empty_folder(run, hospital):
    run()
    (hospital.folder / "test" / "predictions" / "stale").write_text("x")
    seen = []
    hospital.let(
        EVALUATOR,
        "evaluate",
        lambda call: seen.extend(p.name for p in call.paths["predictions"].iterdir()) or 1,
    )
    run()
    assert "stale" not in seen


def test_local_files_stand_in_for_records():
    form = ContainerForm(
        name="mine",
        role="model",
        config=MODEL.config,
        image_digest=MODEL.image_digest,
        parameters={"depth": 3},
    )
    record = local_record(form, 1)
    assert record.parameters == {"depth": 3}
    assert record.digest != local_record(form.model_copy(update={"parameters": None}), 1).digest


# --- demo datasets ---


@pytest.fixture
def demo(tmp_path):
    root = tmp_path / "demo"
    for name in ("images", "annotations"):
        (root / name).mkdir(parents=True)
        (root / name / "case1").write_text("x")

    def write(paths):
        (root / "paths.yaml").write_text(yaml.safe_dump(paths))
        return root

    return write


def test_demo_data_are_where_paths_yaml_says(demo):
    root = demo({"data_path": "images", "labels_path": "./annotations"})
    found = read_demo_data(root)
    assert (found.data_path, found.labels_path) == (root / "images", root / "annotations")
    assert found.metadata_path is None


def test_archive_with_one_folder_around_it_is_fine(demo, tmp_path):
    root = demo({"data_path": "images", "labels_path": "annotations", "metadata_path": "images"})
    outer = tmp_path / "outer"
    outer.mkdir()
    root.rename(outer / "demo_v1")
    assert read_demo_data(outer).metadata_path == outer / "demo_v1" / "images"


@pytest.mark.parametrize(
    ("paths", "error", "message"),
    [
        ({"data_path": "images"}, MalformedFileError, "labels_path"),
        ({"data_path": "images", "labels_path": ["x"]}, MalformedFileError, "labels_path"),
        ({"data_path": "/etc", "labels_path": "annotations"}, MalformedFileError, "leaves"),
        ({"data_path": "images/../..", "labels_path": "annotations"}, MalformedFileError, "leaves"),
        ({"data_path": "none", "labels_path": "annotations"}, EmptyInputError, "holds no file"),
    ],
)
def test_wrong_paths_are_one_clear_error(demo, paths, error, message):
    with pytest.raises(error, match=message):
        read_demo_data(demo(paths))


def test_archive_without_paths_yaml_is_named(demo, tmp_path):
    root = demo({})
    (root / "paths.yaml").unlink()
    with pytest.raises(EmptyInputError, match=r"paths\.yaml"):
        read_demo_data(root)
