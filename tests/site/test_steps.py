"""One task of a registered container: what it finds, what comes back, who failed."""

import errno
import threading

import pytest
import yaml
from hospital import EVALUATOR, LIMITS, MODEL, PREPARATOR, Hospital, container, mount

from medperf.domain.container_records import FileReference
from medperf.domain.errors import (
    CancelledError,
    ContainerConfigError,
    DigestMismatchError,
    DiskFullError,
    EmptyInputError,
    NotSupportedError,
    SandboxUnavailableError,
    StepFailedError,
    StepOutputError,
    StepTimedOutError,
)
from medperf.runners.archives import pack
from medperf.runners.selection import RunnerSet
from medperf.site.steps import Steps, config_of


@pytest.fixture
def hospital(tmp_path):
    return Hospital(tmp_path)


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "case1").write_text("x")
    return folder


def run_infer(hospital, data, record=MODEL, **changes):
    return hospital.steps.run(
        record,
        "infer",
        **{
            "step_id": "step-1",
            "inputs": {"data_path": data},
            "outputs": {"output_path": hospital.folder / "predictions"},
            "log_path": hospital.folder / "logs" / "infer.log",
            "limits": LIMITS,
        }
        | changes,
    )


def test_outputs_are_where_they_were_asked_for(hospital, data):
    result = run_infer(hospital, data)
    assert (hospital.folder / "predictions" / "case1").read_text() == "0.5"
    assert result.outcome.exit_code == 0
    assert result.image_digest == MODEL.image_digest


def test_nothing_but_outputs_and_log_is_left(hospital, data):
    run_infer(hospital, data)
    assert list((hospital.folder / "work").iterdir()) == []
    assert (hospital.folder / "logs" / "infer.log").exists()


def test_parameters_arrive_as_yaml(hospital):
    seen = []

    def prepare(call):
        seen.append(yaml.safe_load(call.paths["parameters_file"].read_text()))
        (call.paths["output_path"] / "x").write_text("x")
        (call.paths["output_labels_path"] / "x").write_text("x")

    hospital.let(PREPARATOR, "prepare", prepare)
    raw, labels = hospital.raw()
    folder = hospital.folder
    hospital.steps.run(
        PREPARATOR,
        "prepare",
        step_id="p",
        inputs={"data_path": raw, "labels_path": labels},
        outputs={
            "output_path": folder / "out",
            "output_labels_path": folder / "out_labels",
            "metadata_path": folder / "metadata",
            "report_file": folder / "report.yaml",
        },
        log_path=folder / "log",
        limits=LIMITS,
    )
    assert seen == [{"unit": "mm"}]


def test_additional_files_arrive_unpacked(hospital, data, tmp_path):
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "w.bin").write_text("123")
    digest = pack(weights, tmp_path / "weights.tar.gz")
    tasks = {
        "infer": {
            "input_volumes": {
                "data_path": mount("data"),
                "additional_files": mount("additional_files"),
            },
            "output_volumes": {"output_path": mount("predictions")},
        }
    }
    record = container(
        7,
        "model",
        tasks,
        additional_files=FileReference(url=str(tmp_path / "weights.tar.gz"), digest=digest),
    )
    hospital.let(
        record,
        "infer",
        lambda call: (
            (call.paths["output_path"] / "w").write_text(
                (call.paths["additional_files"] / "w.bin").read_text()
            )
            and None
        ),
    )
    run_infer(hospital, data, record)
    assert (hospital.folder / "predictions" / "w").read_text() == "123"


def test_task_that_asks_for_what_nobody_registered_finds_it_empty(hospital, data):
    tasks = {
        "infer": {
            "input_volumes": {
                "data_path": mount("data"),
                "parameters_file": mount("parameters/parameters_file.yaml", "file"),
                "additional_files": mount("additional_files"),
            },
            "output_volumes": {"output_path": mount("predictions")},
        }
    }
    record, seen = container(10, "model", tasks), []

    def look(call):
        seen.append(yaml.safe_load(call.paths["parameters_file"].read_text()))
        seen.append(list(call.paths["additional_files"].iterdir()))
        (call.paths["output_path"] / "x").write_text("x")

    hospital.let(record, "infer", look)
    run_infer(hospital, data, record)
    assert seen == [{}, []]


def test_folder_with_one_file_serves_where_a_file_is_declared(hospital, tmp_path):
    tasks = {
        "infer": {
            "input_volumes": {"data_path": mount("data.csv", "file")},
            "output_volumes": {"output_path": mount("predictions")},
        }
    }
    record = container(8, "model", tasks)
    hospital.let(
        record,
        "infer",
        lambda call: (
            (call.paths["output_path"] / "copy").write_text(call.paths["data_path"].read_text())
            and None
        ),
    )
    folder = tmp_path / "prepared"
    folder.mkdir()
    (folder / "table.csv").write_text("a,b")
    run_infer(hospital, folder, record)
    assert (hospital.folder / "predictions" / "copy").read_text() == "a,b"
    (folder / "second.csv").write_text("a,b")
    with pytest.raises(EmptyInputError, match="holds 2"):
        run_infer(hospital, folder, record)


def test_failing_container_names_itself_and_its_log_but_not_what_the_log_says(hospital, data):
    def crash(call):
        raise KeyError("column 'age' of patient 4711")

    hospital.let(MODEL, "infer", crash)
    with pytest.raises(StepFailedError, match="exit code 1") as caught:
        run_infer(hospital, data)
    log = hospital.folder / "logs" / "infer.log"
    assert "4711" in log.read_text()
    assert "4711" not in str(caught.value)
    assert str(log) in caught.value.detail
    assert "'model 2', version 1" in caught.value.detail


def test_timeout_keeps_its_class_and_hint(hospital, data):
    hospital.let(MODEL, "infer", lambda call: call.sleep(3600))
    with pytest.raises(StepTimedOutError, match=r"infer\.log") as caught:
        run_infer(hospital, data)
    assert "time limit" in caught.value.advice


def test_non_zero_exit_of_prepare_is_an_answer(hospital):
    hospital.let(PREPARATOR, "sanity_check", lambda call: 3)
    raw, labels = hospital.raw()
    result = hospital.steps.run(
        PREPARATOR,
        "sanity_check",
        step_id="s",
        inputs={"data_path": raw, "labels_path": labels},
        outputs={},
        log_path=hospital.folder / "log",
        limits=LIMITS,
    )
    assert result.outcome.exit_code == 3


@pytest.mark.parametrize(
    "leave", [lambda call: None, lambda call: (call.paths["output_path"] / "empty").mkdir()]
)
def test_model_that_leaves_no_prediction_has_failed(hospital, data, leave):
    hospital.let(MODEL, "infer", leave)
    with pytest.raises(StepOutputError, match="output_path"):
        run_infer(hospital, data)


def test_evaluator_that_leaves_an_empty_file_has_failed(hospital, data):
    hospital.let(EVALUATOR, "evaluate", lambda call: None)
    with pytest.raises(StepOutputError, match="output_path"):
        hospital.steps.run(
            EVALUATOR,
            "evaluate",
            step_id="e",
            inputs={"predictions": data, "labels": data},
            outputs={
                "output_path": hospital.folder / "results.yaml",
                "local_outputs_path": hospital.folder / "local",
            },
            log_path=hospital.folder / "log",
            limits=LIMITS,
        )


def test_planted_link_is_refused(hospital, data):
    hospital.let(
        MODEL, "infer", lambda call: (call.paths["output_path"] / "x").symlink_to("/etc/passwd")
    )
    with pytest.raises(StepOutputError, match="symbolic link"):
        run_infer(hospital, data)


def test_other_bytes_than_registered_never_run(hospital, data):
    record = MODEL.model_copy(update={"image_digest": PREPARATOR.image_digest})
    with pytest.raises(DigestMismatchError):
        run_infer(hospital, data, record)
    assert hospital.runner.runs == []


def test_wrong_archive_is_fetched_again_next_time(hospital, data, tmp_path):
    (tmp_path / "image.tar").write_text("bytes of another image")
    record = container(9, "model", {"infer": config_of(MODEL).tasks["infer"].model_dump()})
    config = record.config | {
        "container_type": "DockerArchive",
        "image": str(tmp_path / "image.tar"),
    }
    record = record.model_copy(update={"config": config})
    hospital.let(record, "infer", lambda call: None)
    with pytest.raises(DigestMismatchError):
        run_infer(hospital, data, record)
    assert not [p for p in (tmp_path / "assets" / "files").iterdir() if p.suffix != ".fingerprint"]


def test_config_that_is_none_is_one_clear_error(hospital, data):
    record = MODEL.model_copy(update={"config": {"container_type": "Dockerfile"}})
    with pytest.raises(ContainerConfigError, match="container_type"):
        run_infer(hospital, data, record)


def test_unknown_task_is_named(hospital, data):
    with pytest.raises(ContainerConfigError, match="train"):
        hospital.steps.run(
            MODEL, "train", step_id="t", inputs={}, outputs={}, log_path=data / "l", limits=LIMITS
        )


def test_encrypted_container_is_not_supported_yet(hospital, data):
    config = MODEL.config | {"container_type": "EncryptedDockerArchive"}
    with pytest.raises(NotSupportedError):
        run_infer(hospital, data, MODEL.model_copy(update={"config": config}))


def test_engine_that_is_away_is_not_the_containers_fault(hospital, data):
    hospital.runner.is_available = False
    with pytest.raises(SandboxUnavailableError):
        run_infer(hospital, data)


def test_empty_input_folder_is_named(hospital, tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(EmptyInputError, match="data_path"):
        run_infer(hospital, tmp_path / "none")


def test_step_does_not_begin_below_the_disk_reserve(hospital, data):
    steps = Steps(
        RunnerSet([hospital.runner]), hospital.assets, hospital.folder / "work", reserve_bytes=2**62
    )
    hospital.steps = steps
    with pytest.raises(DiskFullError):
        run_infer(hospital, data)
    assert hospital.runner.runs == []


def test_a_disk_that_fills_up_on_the_way_is_not_the_containers_fault(hospital, data, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(type(hospital.runner), "run", full)
    with pytest.raises(DiskFullError):
        run_infer(hospital, data)


def test_step_can_be_stopped(hospital, data):
    cancel = threading.Event()
    hospital.let(MODEL, "infer", lambda call: (cancel.set(), call.sleep(1))[1])
    with pytest.raises(CancelledError):
        run_infer(hospital, data, cancel=cancel)


def test_interrupted_step_is_cleaned_up(hospital, data, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    cleaned = []
    monkeypatch.setattr(type(hospital.runner), "run", interrupted)
    monkeypatch.setattr(type(hospital.runner), "cleanup", lambda self, step: cleaned.append(step))
    with pytest.raises(KeyboardInterrupt):
        run_infer(hospital, data)
    assert cleaned == ["step-1"]
    assert list((hospital.folder / "work").iterdir()) == []


def test_container_made_ready_before_is_not_resolved_again(hospital, data, monkeypatch):
    ready = hospital.steps.ready(MODEL)
    monkeypatch.setattr(type(hospital.runner), "resolve", None)
    assert run_infer(hospital, data, ready).outcome.exit_code == 0


def test_cleanup_after_a_killed_agent(hospital):
    (hospital.folder / "work" / "step-1" / "deep").mkdir(parents=True)
    hospital.steps.cleanup(MODEL, "step-1")
    hospital.steps.cleanup(MODEL, "step-1")
    assert not (hospital.folder / "work" / "step-1").exists()
