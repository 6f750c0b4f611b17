"""The doctor says what this machine can do, and fails only for what commands need."""

import pytest

from medperf.cli import checkup
from medperf.runners.base import Availability


@pytest.fixture
def information(registry):
    registry.answers["GET", "server"] = {
        "name": "Test",
        "version": "1",
        "time": "2026-01-01T00:00:00.000000Z",
    }
    registry.answers["GET", "me"] = {}
    return registry.answers["GET", "server"]


def _by_name(found):
    return {finding["what"]: finding for finding in found}


def test_each_finding_has_a_verdict_and_each_failure_a_remedy(medperf):
    found = medperf("doctor", "--json").json
    assert {"Python", "disk", "cores", "memory", "runner sandbox", "GPU", "login"} <= set(
        _by_name(found)
    )
    assert all(f["verdict"] in {"ok", "warn", "fail"} for f in found)
    assert all(f["remedy"] for f in found if f["verdict"] != "ok")


def test_without_engines_it_says_which_containers_cannot_run_here(medperf, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = _by_name(medperf("doctor", "--json").json)
    assert found["runner podman"]["found"] == "podman is not installed"
    assert "DockerArchive or DockerImage" in found["runner podman"]["remedy"]
    assert found["runner apptainer"]["found"] == "apptainer is not installed"
    assert "SingularityFile" in found["runner apptainer"]["remedy"]


@pytest.mark.parametrize("error", [FileNotFoundError, PermissionError])
def test_a_program_that_cannot_be_started_is_not_installed(monkeypatch, error):
    def run(*_, **__):
        raise error(1, "no")

    monkeypatch.setattr("subprocess.run", run)
    found = {one.what: one for one in checkup._runners()}
    for name in ("docker", "podman", "apptainer"):
        assert found[f"runner {name}"].found == f"{name} is not installed"


def test_what_is_installed_and_does_not_work_is_not_to_be_installed(monkeypatch, tmp_path):
    for name in ("docker", "podman", "apptainer"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\necho broken >&2\nexit 1\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = {one.what: one for one in checkup._runners()}
    for name in ("docker", "podman", "apptainer"):
        one = found[f"runner {name}"]
        assert (one.verdict, f"Install {name.capitalize()}" in one.remedy) == ("warn", False)


@pytest.mark.podman
def test_of_two_engines_that_run_the_same_one_is_enough(monkeypatch):
    gone = Availability(ok=False, reason="docker is not installed")
    monkeypatch.setattr("medperf.runners.docker.DockerRunner.available", lambda _: gone)
    found = {one.what: one for one in checkup._runners()}
    assert found["runner docker"].verdict == "ok"
    assert found["runner docker"].found.endswith("; podman runs the same containers")


def test_being_logged_out_is_no_failure(medperf):
    assert _by_name(medperf("doctor", "--json").json)["login"]["verdict"] == "warn"


def test_a_clock_that_is_off_fails_with_the_remedy(logged_in, information):
    ran = logged_in("doctor", "--json")
    clock = _by_name(ran.json)["clock"]
    assert (ran.status, clock["verdict"], "NTP" in clock["remedy"]) == (1, "fail", True)


def test_a_server_that_refuses_is_a_failure(logged_in, registry):
    ran = logged_in("doctor")
    assert (ran.status, "fail: server: " in ran.out) == (1, True)


@pytest.mark.parametrize(
    ("name", "mode", "verdict"), [("site-key.pem", 0o644, "fail"), ("site-key.pem", 0o600, "ok")]
)
def test_a_key_that_others_can_read_is_a_failure(name, mode, verdict, tmp_path):
    (tmp_path / name).touch()
    (tmp_path / name).chmod(mode)
    finding = checkup._permissions(tmp_path / name, 0o600)
    assert (finding.verdict, "chmod 600" in finding.remedy) == (verdict, verdict == "fail")


def test_a_folder_without_a_site_says_how_to_make_one(medperf, tmp_path):
    ran = medperf("doctor", "--folder", tmp_path, "--json")
    assert (ran.status, "site init" in _by_name(ran.json)["site"]["remedy"]) == (1, True)


def test_numerical_libraries_that_are_missing_are_a_warning_with_the_remedy(monkeypatch):
    assert checkup._numerics().verdict == "ok"
    monkeypatch.setattr(checkup, "find_spec", lambda name: None if name == "scipy" else object())
    finding = checkup._numerics()
    assert (finding.verdict, finding.found) == ("warn", "scipy missing")
    assert "medperf[site]" in finding.remedy
