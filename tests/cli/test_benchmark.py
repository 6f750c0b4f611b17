"""A benchmark is one readable file, and each fault in it is named with its line."""

import json

import boards
import pytest
import yaml

from medperf.policy.actions import Scope
from medperf.policy.decision import Policy
from medperf.policy.templates import show

PLAN = {"metrics": [{"name": "auroc", "lower": 0, "upper": 1}], "primary": "auroc"}
GOOD = """\
name: breast cancer
clinical_task: Tell malignant from benign breast masses
preparator: prep
evaluator: 2
reference_model: lr
demo_dataset: demo
analysis_plan: plan.yaml
release_policy: {audience: participants, moment: approved}
association_policy:
- {template: accept-organizations, what: dataset, organizations: [Hospital A]}
"""


@pytest.fixture
def ready(logged_in, registry, folder):
    registry.add("containers", name="prep", state="operation")
    registry.add("containers", name="eval", state="operation")
    registry.add("models", name="lr", state="operation")
    registry.add("organizations", name="Hospital A")
    (folder / "demo").mkdir()
    (folder / "demo" / "paths.yaml").write_text("data_path: data\nlabels_path: labels\n")
    (folder / "plan.yaml").write_text(yaml.safe_dump(PLAN))
    (folder / "benchmark.yaml").write_text(GOOD)
    return logged_in


def _sent(registry):
    return next(body for method, target, body in registry.asked if target == "/api/v1/benchmarks")


def test_a_file_becomes_a_benchmark(ready, registry, folder):
    ran = ready("benchmark", "register", "benchmark.yaml")
    assert (ran.status, "benchmark 1 is registered" in ran.out) == (0, True)
    sent = _sent(registry)
    assert (sent["preparator_id"], sent["evaluator_id"], sent["reference_model_id"]) == (1, 2, 1)
    assert sent["analysis_plan"]["primary"] == "auroc"
    assert sent["demo_dataset"]["url"] == str(folder / "demo")
    shown = show(Policy(sent["association_policy"], Scope.SERVER))
    assert [rule.id for rule in shown] == ["ask", "accept-organizations"]
    assert shown[1].choice.values == {"what": "dataset", "organizations": [1]}


def test_options_are_enough(ready, registry):
    ran = ready(
        *("benchmark", "register", "--name", "b", "--clinical-task", "benign or malignant"),
        *("--preparator", "prep", "--evaluator", "eval", "--reference-model", "lr"),
        *("--demo-dataset", "demo", "--plan", "plan.yaml", "--audience", "public"),
    )
    assert (ran.status, ran.err) == (0, "")
    assert _sent(registry)["release_policy"]["audience"] == "public"


def test_options_win_over_the_file(ready, registry):
    assert ready("benchmark", "register", "benchmark.yaml", "--name", "other").status == 0
    assert _sent(registry)["name"] == "other"


def test_the_policy_may_be_a_file_of_its_own(ready, registry, folder):
    rules = '@id("all") permit (principal, action, resource);'
    lines = [line for line in GOOD.splitlines() if "template" not in line]
    text = "\n".join(lines).replace("association_policy:", "association_policy: part.cedar")
    (folder / "benchmark.yaml").write_text(text)
    (folder / "part.cedar").write_text(rules)
    assert ready("benchmark", "register", "benchmark.yaml").status == 0
    assert _sent(registry)["association_policy"] == rules
    (folder / "part.cedar").write_text("permit (principal);")
    ran = ready("benchmark", "register", "benchmark.yaml", "--json")
    assert "part.cedar, line 1, column" in ran.problem["detail"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("evaluator: 2\n", "", "benchmark.yaml, line 1: evaluator: is missing"),
        ("name: breast cancer", "title: x", "benchmark.yaml, line 1: title: is not known"),
        ("prep\n", "nobody\n", "benchmark.yaml, line 3: preparator: there is no container named"),
        ("demo\n", "nowhere\n", "benchmark.yaml, line 6: demo_dataset: there is nothing at"),
        ("demo\n", "{url: demo, size: 3}\n", "line 6: demo_dataset: has no size"),
        ("participants", "martians", "benchmark.yaml, line 8: release_policy.audience: Input should"),
        ("accept-organizations", "accept", "line 9: association_policy: there is no template"),
        ("what: dataset", "which: dataset", "line 9: association_policy: which: there is no such"),
        ("[Hospital A]", "[Nobody]", "line 9: association_policy: there is no organization named"),
        ("template: ", "rule: ", "line 9: association_policy: name a file of rules, or list"),
        ("name: breast", "name: [breast", "benchmark.yaml, line 2: "),
        ("evaluator: 2", "preparator: 2", "line 4: 'preparator' stands on line 3 already"),
        ("plan.yaml", "{metrics: [{name: auroc}], primary: f1}", "line 7: analysis_plan: primary must"),
        ("plan.yaml", "missing.yaml", "line 7: analysis_plan: "),
        ("breast cancer", "Infinity/..", "line 1: name: "),
    ],
)  # fmt: skip
def test_each_fault_is_named_with_its_line(old, new, said, ready, registry, folder):
    (folder / "benchmark.yaml").write_text(GOOD.replace(old, new, 1))
    ran = ready("benchmark", "register", "benchmark.yaml", "--json")
    assert (ran.status, ran.problem["code"]) == (2, "malformed-file")
    assert said in ran.problem["detail"]
    assert registry.things.get("benchmarks") is None


def test_several_faults_are_told_at_once(ready, folder):
    (folder / "benchmark.yaml").write_text("name: x\ncolor: red\npreparator: nobody\n")
    detail = ready("benchmark", "register", "benchmark.yaml", "--json").problem["detail"]
    assert len(detail.splitlines()) == 7


def test_a_fault_in_the_plans_own_file_names_that_file(ready, folder):
    (folder / "plan.yaml").write_text(
        "primary: auroc\nmetrics:\n  - name: auroc\n    upper: high\n"
    )
    detail = ready("benchmark", "register", "benchmark.yaml", "--json").problem["detail"]
    assert detail.startswith("plan.yaml, line 4: metrics.0.upper: ")


def test_a_fault_of_the_whole_plan_is_one_sentence(ready, folder):
    (folder / "plan.yaml").write_text("primary: f1\nmetrics: [{name: auroc}]\n")
    detail = ready("benchmark", "register", "benchmark.yaml", "--json").problem["detail"]
    assert detail.startswith("plan.yaml, line 1: primary must")


def test_a_wrong_digest_of_the_demo_dataset_is_refused(ready, folder):
    wrong = "demo_dataset: {url: demo, digest: 'sha256:" + "1" * 64 + "'}"
    (folder / "benchmark.yaml").write_text(GOOD.replace("demo_dataset: demo", wrong))
    ran = ready("benchmark", "register", "benchmark.yaml")
    assert (ran.status, "promised was sha256:1111" in ran.err) == (2, True)


@pytest.mark.parametrize("text", ["", "- a\n", "7", "\x00", "!!python/object:x {}"])
def test_what_is_no_benchmark_file_is_one_error(text, ready, folder):
    (folder / "benchmark.yaml").write_text(text)
    ran = ready("benchmark", "register", "benchmark.yaml")
    assert (ran.status, "code:  malformed-file" in ran.err) == (2, True)


def test_a_leaderboard_is_a_table_for_people_and_json_for_programs(logged_in, registry):
    cell = {
        "metric": "auroc",
        "value": 0.9312,
        "n": 185,
        "sites": [{"site": "A", "value": 0.93, "n": 185}],
    }
    row = {
        "rank": 1, "model_id": 1, "model": "lr", "organization": "V", "cells": [cell], "n_results": 1,
        "n_missing": 0, "n_cases": 187, "n_failed_cases": 2, "n_failed_executions": 0,
    }  # fmt: skip
    board = {
        "benchmark_id": 1, "benchmark": "breast cancer", "primary": "auroc", "direction": "higher",
        "metrics": ["auroc"], "rows": [row], "withheld_reason": "", "as_of": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    registry.answers["GET", "benchmarks/1/leaderboard"] = board
    ran = logged_in("benchmark", "leaderboard", 1, "--by-site")
    assert "0.9312" in ran.out
    assert ran.out.splitlines()[0] == "breast cancer: auroc higher is better"
    assert logged_in("benchmark", "leaderboard", 1, "--json").json == json.loads(json.dumps(board))
    board["rows"] = []
    assert "No results to show yet." in logged_in("benchmark", "leaderboard", 1).out


def test_a_leaderboard_is_written_as_a_page_and_a_table(logged_in, registry, tmp_path):
    registry.answers["GET", "benchmarks/1/leaderboard"] = boards.leaderboard().model_dump(
        mode="json"
    )
    page, table = tmp_path / "board.html", tmp_path / "board.csv"
    ran = logged_in("benchmark", "leaderboard", 1, "--html", page, "--csv", table)
    assert ran.status == 0
    assert page.read_text().startswith("<!doctype html>")
    assert table.read_text().startswith("benchmark_id,model_id,")
    again = logged_in("benchmark", "leaderboard", 1, "--csv", table)
    assert (again.status, "exists" in again.err) == (6, True)
