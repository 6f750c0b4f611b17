"""What is said about a failure, and to whom."""

import pytest

from medperf.cli.diagnosis import hint_of, tail, told
from medperf.cli.execution_trial import show_trial, site_limits
from medperf.domain import errors
from medperf.runners.base import Limits
from medperf.site.compatibility_report import CompatibilityReport, PartReport

FAILED = {
    "id": 12,
    "benchmark_id": 1,
    "model_id": 2,
    "dataset_id": 3,
    "site_id": 4,
    "state": "failed",
    "failure_code": "out-of-memory",
    "failure_step": "infer",
    "resources": {"memory_bytes": 1e9},
}


def test_every_code_of_a_step_points_to_the_trial():
    codes = [
        code for code, kind in errors.by_code().items() if issubclass(kind, errors.StepFailedError)
    ]
    assert codes
    assert all("execution trial 12" in hint_of(code, 12) for code in codes)


@pytest.mark.parametrize("code", ["no-such-code", None, "error"])
def test_any_other_code_has_a_hint_too(code):
    assert "hospital" in hint_of(code, 1)


def test_the_owner_of_a_model_is_told_code_step_numbers_and_what_to_do():
    found = told(FAILED)["failure"]
    assert (found["code"], found["step"]) == ("out-of-memory", "infer")
    assert found["resources"] == {"memory_bytes": 1e9}
    assert "more memory" in found["hint"]
    assert found["meaning"]


def test_without_a_failure_there_is_nothing_to_tell():
    assert told(FAILED | {"failure_code": None, "state": "running"})["failure"] is None


def test_the_end_of_a_log_does_nothing_to_a_terminal(tmp_path):
    log = tmp_path / "infer.log"
    log.write_bytes(b"first\n" * 5000 + b"\x1b[31mred\x07\xff\n")
    lines = tail(log)
    assert len(lines) == 40
    assert "\x1b" not in lines[-1]
    assert "red" in lines[-1]


def test_a_trial_runs_within_what_the_site_gave():
    limits = site_limits({"memory_bytes": 5e8, "timeout_s": 60.0})
    assert (limits.memory_bytes, limits.timeout_s) == (500_000_000, 60.0)
    assert site_limits({}) == Limits()


def test_a_trial_that_fails_shows_the_end_of_the_log_and_fails(tmp_path, capsys):
    log = tmp_path / "infer.log"
    log.write_text("loading weights\nno such file\n")
    report = CompatibilityReport(
        (PartReport("infer", "failed", 1.0, "it failed", log), PartReport("evaluate", "skipped")),
        error=errors.StepFailedError("infer ended with exit code 1"),
    )
    assert show_trial(report, tmp_path) != 0
    assert "no such file" in capsys.readouterr().err
    assert show_trial(CompatibilityReport(()), tmp_path) == 0
