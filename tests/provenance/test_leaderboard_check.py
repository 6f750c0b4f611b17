"""A bundle's leaderboard is a stranger's, and so are the results that it is held against."""

from types import SimpleNamespace

import pytest

from medperf.provenance.leaderboard_check import check_leaderboard
from medperf.provenance.verdict import Verdict


@pytest.mark.parametrize("metrics", [[{}], 7, [{"name": [], "value": 1, "n": 1}]])
def test_results_that_cannot_be_read_fail_the_leaderboard_and_not_the_program(metrics):
    said = SimpleNamespace(model_id=1, analysis_plan_digest="", result={"metrics": metrics})
    verdict = Verdict(results=[SimpleNamespace(statement=SimpleNamespace(predicate=said))])
    check_leaderboard({"rows": []}, verdict)
    [failed] = verdict.failed
    assert failed.detail.startswith("it cannot be read")
