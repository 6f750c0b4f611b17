"""A site's policy on the command line: drafts, putting one in force, seeing why, trying it out."""

from dataclasses import replace

import pytest
from policy.policy_world import FACTS

from medperf.domain.executions import WorkItem
from medperf.policy.actions import Action
from medperf.provenance.checkpoint import log_key
from medperf.provenance.keys import PrivateKey
from medperf.site.acting import system_user
from medperf.site.app import open_site
from medperf.site.folder import SiteFolder
from medperf.site.policy_in_force import SitePolicy
from medperf.site.settings import Settings, write_settings

KEY = PrivateKey.from_seed(b"s" * 32)
EVERYTHING = '@id("everything") permit (principal, action, resource);\n'
FAULTY = '@id("a") permit (principal, action, resource);\n@id("b") permit (nobody);\n'
CASES = """
cases:
- {name: asked, action: run, expect: ask, because: ask}
- {name: leaves, action: release, expect: %s}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    place = SiteFolder(tmp_path / "site")
    place.create()
    place.key.write_bytes(KEY.to_pem())
    place.key.chmod(0o600)
    key = log_key(KEY.public).to_text()
    write_settings(
        place.settings,
        Settings(
            name="One",
            server="https://example.org",
            log_key=key,
            site_id=4,
            organization_id=3,
        ),
    )
    monkeypatch.setenv("MEDPERF_SITE", str(place.root))
    with open_site(place.root) as site:
        site.policy.begin()
        assert isinstance(site.policy, SitePolicy)
    return place.root


def decide(folder, *actions):
    """A job that the policy was asked about."""
    with open_site(folder) as site:
        item = WorkItem(benchmark_id=1, model_id=2, dataset_id=3)
        site.jobs.offer([item], site.clock())
        for action in actions:
            site.permission.decide(1, action, replace(FACTS, now=site.clock()))


def test_a_new_site_asks_for_everything(folder, medperf):
    shown = medperf("policy", "show", "--json").json
    assert (shown["version"], [rule["id"] for rule in shown["rules"]]) == (1, ["ask"])
    assert "ask" in medperf("policy", "show").out
    [first] = medperf("policy", "history", "--json").json
    assert (first["approved_by"], first["supersedes_digest"]) == ("the default", None)


def test_templates_are_put_in_force_with_what_is_filled_in(folder, medperf):
    ran = medperf(
        "policy", "set", "--template", "unattended-run", "--template", "most-per-model",
        "--with", "benchmarks=1,2", "--with", "most=3",
    )  # fmt: skip
    assert "policy version 2 is in force: ask, unattended-run, most-per-model." in ran.out
    rules = {rule["id"]: rule for rule in medperf("policy", "show", "--json").json["rules"]}
    assert rules["unattended-run"]["values"] == {"benchmarks": [1, 2]}
    assert rules["most-per-model"]["values"] == {"most": 3}
    history = medperf("policy", "history", "--json").json
    assert history[1]["approved_by"] == f"{system_user()} (data owner)"
    assert history[1]["supersedes_digest"] == history[0]["digest"]
    earlier = medperf("policy", "show", "--version", "1", "--json").json
    assert [rule["id"] for rule in earlier["rules"]] == ["ask"]


def test_a_flag_is_yes_or_no(medperf):
    text = medperf(
        "policy", "new", "--template", "several-people-release", "--with", "starter_counts=no"
    ).out
    assert "(false ||" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "which policy?"),
        (["--template", "most"], "there is no template 'most'"),
        (["--template", "most-per-model"], "is needed"),
        (["--template", "most-per-model", "--with", "most"], "not NAME=VALUE"),
        (["--template", "most-per-model", "--with", "n=3"], "most-per-model.most"),
        (["--template", "ask", "--with", "n=3"], "fields: none"),
        (
            ["--template", "most-per-model", "--template", "most-in-total", "--with", "most=3"],
            "most-per-model.most, most-in-total.most",
        ),
        (["--file", "x", "--template", "ask"], "not both"),
        (["--file", "no-such-file"], "cannot be read"),
    ],
)
def test_a_mistake_is_named_and_nothing_changes(folder, medperf, arguments, said):
    ran = medperf("policy", "set", *arguments)
    assert ran.status != 0
    assert said in ran.err
    assert medperf("policy", "show", "--json").json["version"] == 1


def test_a_qualified_name_says_which_template(medperf):
    text = medperf(
        "policy", "new", "--template", "most-per-model", "--template", "most-in-total",
        "--with", "most-per-model.most=3", "--with", "most-in-total.most=9", "--json",
    ).json["text"]  # fmt: skip
    assert "executions_of_model >= 3" in text
    assert "executions >= 9" in text


def test_faults_are_printed_with_line_and_reason(folder, medperf, tmp_path):
    draft = tmp_path / "draft.cedar"
    draft.write_text(FAULTY)
    ran = medperf("policy", "set", "--file", draft)
    assert ran.status != 0
    assert "draft.cedar, line 2" in ran.err


def test_a_draft_is_templates_or_the_default(medperf):
    assert '@id("ask")' in medperf("policy", "new").out
    listed = medperf("policy", "new", "--list", "--json").json
    assert {"name", "role", "title", "fields"} == set(listed[0])


def test_a_file_put_in_force_is_in_the_folder_and_a_change_by_hand_is_said(
    folder, medperf, tmp_path
):
    draft = tmp_path / "draft.cedar"
    draft.write_text(EVERYTHING)
    assert medperf("policy", "set", "--file", draft).status == 0
    assert (folder / "policy.cedar").read_text() == EVERYTHING
    assert medperf("site", "status", "--json").json["policy"]["rules"] == ["everything"]
    assert "version 2: everything" in medperf("site", "status").out
    (folder / "policy.cedar").write_text(EVERYTHING * 2)
    assert "everything is denied" in medperf("policy", "show").out
    assert "NOT VALID, so everything is denied" in medperf("site", "status").out


def test_a_version_that_never_was_is_named(folder, medperf):
    assert "there is no version 7" in medperf("policy", "show", "--version", "7").err


@pytest.mark.parametrize(("expected", "status"), [("ask", 0), ("go_ahead", 1)])
def test_cases_test_the_policy_in_force_or_a_draft(folder, medperf, tmp_path, expected, status):
    cases = tmp_path / "cases.yaml"
    cases.write_text(CASES % expected)
    assert medperf("policy", "test", cases).status == status
    assert medperf("policy", "test", cases, "--template", "ask").status == status


def test_a_decision_is_explained_by_its_rule_and_facts(folder, medperf):
    decide(folder, Action.RUN)
    assert "Ask a person whether the model may run." in medperf("policy", "explain", "1").out
    found = medperf("policy", "explain", "1", "--json").json
    assert (found["answer"], found["rules"], found["facts"]["model"]["id"]) == ("ask", ["ask"], 1)
    assert "not asked" in medperf("policy", "explain", "1", "--action", "release").out
    assert medperf("policy", "explain", "9").status != 0


def test_what_was_let_go_on_and_is_forbidden_by_now_is_explained(folder, medperf):
    decide(folder, Action.RUN)
    assert "Not any more" not in medperf("policy", "explain", "1").out
    medperf("policy", "set", "--template", "until", "--with", "end=2020-01-01")
    lines = medperf("policy", "explain", "1").out
    assert "Not any more. Asked now:\nDenied: a rule forbids that the model may run." in lines


def test_a_decision_without_a_policy_is_explained_too(folder, medperf):
    (folder / "policy.cedar").unlink()
    decide(folder, Action.RUN)
    assert "policy.cedar is missing" in medperf("policy", "explain", "1").out


def test_a_draft_is_tried_on_what_was_decided(folder, medperf):
    decide(folder, Action.RUN, Action.RELEASE)
    assert "All 2 past decisions" in medperf("policy", "simulate", "--template", "ask").out
    [differs] = medperf(
        "policy", "simulate", "--template", "unattended-run", "--with", "benchmarks=1", "--json"
    ).json
    assert (differs["job_id"], differs["action"]) == (1, "run")
    assert (differs["was"], differs["would_be"]) == ("ask", "go_ahead")
