"""Whoever has the bundle of a leaderboard computes all of it again; a swapped figure is found."""

import json
import sys

import pytest
from leaderboard_arena import arena

from medperf.cli.main import run
from medperf.cli.recomputing import check_figures
from medperf.provenance.bundle import Bundle


@pytest.fixture
def made(world):
    return arena(world.federation, audience="public")


def _bundle(made, who="committee"):
    shown = made.people[who].client.benchmarks.bundle(made.benchmark.id)
    return shown.model_dump(mode="json")


def _verdict(world, bundle):
    verdict = world.verdict(Bundle.from_bytes(json.dumps(bundle).encode()))
    check_figures(bundle["leaderboard"], verdict)
    return verdict


def _about(findings):
    return {finding.about: finding.detail for finding in findings if finding.step == 11}


def _set(value, *path):
    def change(board):
        *steps, last = path
        for step in steps:
            board = board[step]
        board[last] = value

    return change


CELL = ("rows", 0, "cells", 0)
CHANGES = {
    "a pooled value": _set(0.99, *CELL, "value"),
    "an interval": _set(0.7999, *CELL, "interval", "lower"),
    "a site's interval": _set(0.1, *CELL, "sites", 1, "interval", "upper"),
    "the worst site": _set("North", *CELL, "worst_site"),
    "a subgroup": _set(0.9, *CELL, "subgroups", 0, "value"),
    "a gap": _set(0.0, *CELL, "gaps", 0, "difference"),
    "calibration": _set(0.0, "rows", 0, "cells", 1, "calibration_error"),
    "a rank": _set(1, "rows", 1, "rank"),
    "a rank interval": _set(2, "rows", 0, "rank_to"),
    "a tie group": _set(1, "rows", 1, "tie_group"),
    "a comparison": _set("inconclusive", "comparisons", 0, "verdict"),
    "no comparison at all": _set([], "comparisons"),
    "the stability": _set(0.2, "stability", "tau"),
    "another plan": _set(0.99, "analysis_plan", "level"),
}


def test_an_honest_leaderboard_comes_out_the_same_and_no_lie_does(world, made):
    """Step 11 to the end: figures, and the plan whose digest every result names."""
    honest = _bundle(made)
    verdict = _verdict(world, honest)
    assert "come out the same" in _about(verdict.checked)["leaderboard figures"]
    assert "as the results name it" in _about(verdict.checked)["analysis plan"]
    assert _about(verdict.failed) == {}
    for what, change in CHANGES.items():
        forged = json.loads(json.dumps(honest))
        change(forged["leaderboard"])
        assert forged != honest, what
        assert _about(_verdict(world, forged).failed), what


def test_a_leaderboard_that_left_a_result_out_does_not_follow(world, made):
    bundle = _bundle(made)
    row = bundle["leaderboard"]["rows"][0]
    row["n_results"] -= 1
    verdict = _verdict(world, bundle)
    assert _about(verdict.failed)
    assert "leaderboard figures" in _about(verdict.missing)


def test_under_pooled_figures_the_missing_results_are_said_to_be_missing(world):
    made = arena(world.federation, audience="public", detail="pooled")
    verdict = _verdict(world, _bundle(made, "outside"))
    assert not verdict.is_verified
    assert _about(verdict.failed) == {}
    whole = _verdict(world, _bundle(made))
    assert "come out the same" in _about(whole.checked)["leaderboard figures"]


def test_a_leaderboard_that_says_no_plan_is_not_checked_to_the_end(world, made):
    bundle = _bundle(made)
    bundle["leaderboard"]["analysis_plan"] = {}
    verdict = _verdict(world, bundle)
    assert "does not hold the plan" in _about(verdict.missing)["analysis plan"]


def test_without_numpy_the_figures_are_said_not_to_be_computed(
    world, made, tmp_path, monkeypatch, capsys
):
    key, file = tmp_path / "log-key.txt", tmp_path / "leaderboard.json"
    key.write_text(world.log_key.to_text() + "\n")
    file.write_text(json.dumps(_bundle(made)))
    monkeypatch.setenv("MEDPERF_HOME", str(tmp_path / "home"))
    monkeypatch.setitem(sys.modules, "medperf.cli.recomputing", None)
    assert run(["verify", str(file), "--log-key", str(key), "--json"]) == 7
    told = json.loads(capsys.readouterr().out)
    assert "pip install" in next(each["detail"] for each in told["missing"] if each["step"] == 11)


def test_the_command_computes_the_figures(world, made, tmp_path, monkeypatch, capsys):
    key, file = tmp_path / "log-key.txt", tmp_path / "leaderboard.json"
    key.write_text(world.log_key.to_text() + "\n")
    forged = _bundle(made)
    forged["leaderboard"]["rows"][0]["tie_group"] = 2
    file.write_text(json.dumps(forged))
    monkeypatch.setenv("MEDPERF_HOME", str(tmp_path / "home"))
    assert run(["verify", str(file), "--log-key", str(key), "--json"]) == 7
    told = json.loads(capsys.readouterr().out)
    [failed] = told["failed"]
    assert "rows.0.tie_group does not follow" in failed["detail"]
