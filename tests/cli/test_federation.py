"""The commands beside the data and around it, against a real server and real sandboxes.

One small federation is built once, by commands; each test gets a copy of it.
"""

import contextlib
import io
import json
import shutil
from pathlib import Path

import pytest
import structlog
from loopback import Port, Serving

from medperf.cli import profiles
from medperf.cli.main import run
from medperf.server.app import build_app
from medperf.server.operations import load_key
from medperf.server.settings import ServerSettings
from medperf.site.acting import system_user
from medperf.site.review import Review

PLAN = (
    "schema: medperf.plan/v1\nmetrics: [{name: accuracy, lower: 0, upper: 1}]\nprimary: accuracy\n"
)


def _serving(folder, port):
    """A server of a folder, in a thread."""
    settings = ServerSettings.load(folder)
    settings = settings.model_copy(update={"database_url": f"sqlite:///{folder / 'data.sqlite'}"})
    return Serving(build_app(settings, load_key(folder)), port)


class _Machine:
    """Runs commands in one folder and answers their JSON."""

    def __init__(self, root, capsys_like):
        self.root = root
        self._said = capsys_like

    def __call__(self, *words, status=0, who=None):
        arguments = [str(word) for word in words] + (["--profile", who] if who else [])
        self._said()
        ended = run([*arguments, "--json"])
        out, err = self._said()
        assert ended == status, (arguments, out, err)
        text = out if ended == 0 else err.strip().splitlines()[-1]
        return json.loads(text) if text.strip() else None


def _raw(folder, n_cases, first):
    for kind, header in (("data", "case_id,age_years"), ("labels", "case_id,label")):
        (folder / kind).mkdir(parents=True)
        rows = [
            f"c{i},{first + i if kind == 'data' else 'positive' if i > 20 else 'negative'}"
            for i in range(1, n_cases + 1)
        ]
        (folder / kind / "export.csv").write_text("\n".join([header, *rows]) + "\n")


def _come_in(medperf, url, issued, name):
    medperf("login", "--server", url, "--invitation", issued["token"], "--name", name)


def _build(medperf, root, url):
    for title in ("Committee", "Vendor", "Hospital"):
        medperf("organization", "add", "--name", title, who="admin")
    for name in ("Committee", "Vendor"):
        issued = medperf(
            "user", "invite", "--organization", name, "--name", name, "--email", f"x@{name}.example",
            who="admin",
        )  # fmt: skip
        _come_in(medperf, url, issued, name.lower())
    for role, who in (
        ("preparator", "committee"),
        ("evaluator", "committee"),
        ("model", "committee"),
    ):
        medperf("container", "new", role, root / role)
        medperf(
            "container", "register", root / role, "--role", role, "--name", role,
            "--parameters", root / role / "parameters.yaml", who=who,
        )  # fmt: skip
        medperf("container", "submit", role, who=who)
    medperf("model", "register", "--name", "reference", "--container", "model", who="committee")
    medperf("model", "submit", "reference", who="committee")
    _raw(root / "demo", 30, 40)
    (root / "demo" / "paths.yaml").write_text("data_path: data\nlabels_path: labels\n")
    (root / "plan.yaml").write_text(PLAN)
    medperf(
        "benchmark", "register", "--name", "by age", "--clinical-task", "positive or negative",
        "--preparator", "preparator", "--evaluator", "evaluator", "--reference-model", "reference",
        "--demo-dataset", root / "demo", "--plan", root / "plan.yaml", who="committee",
    )  # fmt: skip
    medperf("benchmark", "submit", "by age", who="committee")
    medperf("benchmark", "approve", "by age", who="admin")
    _enter_model(medperf, root)
    _enter_site(medperf, root, url)


def _enter_model(medperf, root):
    shutil.copytree(root / "model", root / "vendor-model")
    (root / "vendor-model" / "version").write_text("of the vendor")
    medperf(
        "container", "register", root / "vendor-model", "--role", "model", "--name", "vendor code",
        "--parameters", root / "model" / "parameters.yaml", who="vendor",
    )  # fmt: skip
    medperf("container", "submit", "vendor code", who="vendor")
    medperf("model", "register", "--name", "ours", "--container", "vendor code", who="vendor")
    medperf("model", "submit", "ours", who="vendor")
    asked = medperf("model", "associate", "ours", "--benchmark", "by age", who="vendor")
    medperf("association", "approve", asked["id"], who="committee")


def _enter_site(medperf, root, url):
    issued = medperf(
        "invitation", "issue", "--kind", "site", "--organization", "Hospital", "--name", "site",
        who="admin",
    )  # fmt: skip
    site = ("--folder", root / "site")
    medperf(
        "site", "init", *site, "--server", url, "--invitation", issued["token"], "--name", "site"
    )
    medperf("site", "set", *site, "allow_local=true", "runner=sandbox")
    _raw(root / "hospital", 40, 30)
    medperf(
        "dataset", "prepare", *site, "--name", "ours", "--benchmark", "by age",
        "--data", root / "hospital" / "data", "--labels", root / "hospital" / "labels",
    )  # fmt: skip
    medperf("dataset", "register", "ours", *site)
    medperf("dataset", "submit", "ours", *site)
    asked = medperf("dataset", "associate", "ours", *site, "--benchmark", "by age")
    medperf("association", "approve", asked["id"], who="committee")


@pytest.fixture(scope="module")
def quiet_server():
    """The server's log goes nowhere: it shares its streams with the commands here."""

    def drop(*_):
        raise structlog.DropEvent

    structlog.configure(processors=[drop])
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def template(tmp_path_factory, quiet_server):
    """A federation in which a model and a dataset take part and nothing has run yet."""
    root = tmp_path_factory.mktemp("template")
    port = Port()
    out, err = io.StringIO(), io.StringIO()

    def said():
        answer = out.getvalue(), err.getvalue()
        for stream in (out, err):
            stream.seek(0)
            stream.truncate()
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDPERF_HOME", str(root / "home"))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            medperf = _Machine(root, said)
            issued = medperf(
                "server", "init", "--folder", root / "server", "--name", "Test",
                "--organization", "Operator", "--admin", "Ada", "--email", "ada@x.example",
            )  # fmt: skip
            with _serving(root / "server", port):
                _come_in(medperf, port.url, issued, "admin")
                _build(medperf, root, port.url)
    yield root, port
    port.close()


@pytest.fixture
def federation(template, tmp_path, monkeypatch, capsys):
    """A copy of the federation with its server up; commands act at its site by default."""
    origin, port = template
    for name in ("server", "site", "home"):
        shutil.copytree(origin / name, tmp_path / name)
    monkeypatch.setenv("MEDPERF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MEDPERF_SITE", str(tmp_path / "site"))
    with _serving(tmp_path / "server", port):
        yield _Machine(tmp_path, capsys.readouterr)


def _states(medperf):
    return [job["state"] for job in medperf("site", "status")["jobs"]]


def test_a_person_is_asked_before_a_run_and_before_a_release(federation):
    assert federation("site", "start", "--once") == {"jobs": {"waiting_to_run": 1}}
    [question] = federation("site", "inbox")
    assert (question["question"], question["model"], question["document"]) == ("run", "ours", None)
    claimed = "site", "approve", question["job_id"], "--as", "Dr. Ada"
    assert federation(*claimed, status=5)["code"] == "forbidden"
    federation("site", "set", f'people={{{system_user()}: ["Dr. Ada", "Dr. Bea"]}}')
    federation(*claimed)
    federation("site", "start", "--once")
    [question] = federation("site", "inbox")
    assert question["question"] == "release"
    federation("site", "approve", question["job_id"], "--digest", question["digest"])
    federation("site", "start", "--once")
    assert _states(federation) == ["reported"]
    [result] = federation("result", "ls", who="committee")
    assert result["document"] == question["document"]
    federation("result", "approve", result["id"], who="committee")
    [row] = federation("benchmark", "leaderboard", "by age", who="committee")["rows"]
    assert (row["model"], row["n_results"], row["n_cases"]) == ("ours", 1, 40)


def test_run_is_the_yes_for_what_it_names(federation):
    [job] = federation("run", "--benchmark", "by age", "--dataset", "ours", "--model", "ours")
    assert job["state"] == "waiting_to_release"


def test_run_leaves_alone_what_it_does_not_name(federation):
    assert federation("run", "--model", "reference") == []
    assert _states(federation) == ["waiting_to_run"]


def test_a_refusal_ends_the_job_and_nothing_leaves(federation):
    federation("run")
    federation("site", "reject", 1, "--reason", "not now")
    federation("site", "start", "--once")
    assert _states(federation) == ["rejected"]
    assert federation("result", "ls", who="committee") == []
    kinds = {line["kind"] for line in federation("site", "ledger")}
    assert "result" not in kinds


def test_what_only_the_site_knows_of_an_execution_is_shown_there_alone(federation):
    federation("run")
    here = federation("execution", "show", 1)["at_this_site"]
    assert (here["state"], here["failure"]) == ("waiting_to_release", None)
    assert [line["target"] for line in here["history"]][-1] == "waiting_to_release"
    assert any("infer" in log for log in here["logs"])
    assert "at_this_site" not in federation("execution", "show", 1, who="committee")


def test_a_diagnosis_tells_the_site_everything_and_others_a_code(federation):
    federation("run")
    here = federation("execution", "diagnose", 1)
    assert [(s["task"], s["state"]) for s in here["steps"]] == [
        ("infer", "complete"),
        ("evaluate", "complete"),
    ]
    assert {ruling["answer"] for ruling in here["policy"]} >= {"ask", "go_ahead"}
    assert here["disclosed"] == [{"release": "job 1, waiting to leave", "n_numbers": 1}]
    assert here["history"]
    there = federation("execution", "diagnose", 1, who="vendor")
    assert set(there) == {
        "id", "benchmark_id", "model_id", "dataset_id", "site_id", "state", "failure",
    }  # fmt: skip


def test_a_model_owner_tries_an_execution_on_demo_data_with_all_logs(federation, tmp_path):
    federation("run")
    keep = tmp_path / "trial"
    tried = federation("execution", "trial", 1, "--keep", keep, "--runner", "sandbox", who="vendor")
    assert tried["passed"]
    assert {"prepare", "infer", "evaluate"} <= set(tried["logs"])
    assert (keep / "test" / "logs" / "infer.log").is_file()


def test_what_happened_can_be_looked_up(federation):
    events = federation("audit", "ls", "--subject", "benchmark:1", who="admin")
    assert "benchmark.approve" in {event["action"] for event in events}
    assert [site["name"] for site in federation("site", "ls", who="admin")] == ["site"]


def test_an_address_that_is_taken_is_one_error(federation, template, tmp_path):
    problem = federation(
        "server", "start", "--folder", tmp_path / "server", "--port", template[1].number, status=6
    )
    assert "--port" in problem["hint"]


def test_a_decision_about_something_else_than_was_shown_is_refused(federation):
    federation("site", "start", "--once")
    problem = federation("site", "approve", 1, "--digest", "sha256:" + "0" * 64, status=6)
    assert problem["code"] == "conflict"
    assert _states(federation) == ["waiting_to_run"]


def test_on_a_terminal_the_document_is_shown_before_it_is_let_go(federation, monkeypatch, capsys):
    federation("run")
    monkeypatch.setattr("medperf.cli.site.on_terminal", lambda: True)
    monkeypatch.setattr("medperf.cli.asking.on_terminal", lambda: True)
    monkeypatch.setattr("click.confirm", lambda *_, **__: False)
    assert run(["site", "approve", "1"]) == 130
    assert '"name": "accuracy"' in capsys.readouterr().out
    assert _states(federation) == ["waiting_to_release"]


def test_people_read_the_same_things_as_tables(federation, capsys):
    federation("run")
    for words, expected in [
        (["site", "status"], "waiting_to_release"),
        (["site", "inbox"], "may this leave?"),
        (["site", "ledger"], "dataset:1"),
        (["dataset", "ls"], "registered"),
        (["dataset", "show", "ours"], "fingerprint: blake3:"),
        (["dataset", "statistics", "1"], "n_cases: 40"),
        (["dataset", "worklist", "ours"], "No case waits for a person."),
        (["doctor"], "ok    site settings"),
    ]:
        run(words)
        assert expected in capsys.readouterr().out, words


def test_several_questions_are_listed_before_one_is_shown_in_full(federation, monkeypatch, capsys):
    federation("run")
    inbox = Review.inbox
    monkeypatch.setattr(Review, "inbox", lambda self: inbox(self) * 2)
    run(["site", "inbox"])
    shown = capsys.readouterr()
    assert shown.out.count("may this leave?") == 2
    assert "accuracy" not in shown.out
    assert "medperf site inbox 1" in shown.err
    run(["site", "inbox", "1"])
    assert "accuracy" in capsys.readouterr().out


def test_everything_that_left_is_in_the_ledger(federation):
    kinds = [line["kind"] for line in federation("site", "ledger")]
    assert kinds == ["dataset", "association"]
    assert federation("site", "ledger", 1)["content"]["n_cases"] == 40
    assert [line["kind"] for line in federation("site", "ledger", "--limit", 1)] == ["association"]


def test_a_dataset_of_the_server_is_listed_with_filters(federation):
    assert [
        row["id"] for row in federation("dataset", "ls", "--benchmark", "1", who="committee")
    ] == [1]


def test_a_dataset_that_is_withdrawn_ends_its_work(federation):
    federation("dataset", "withdraw", "ours", "--reason", "consent withdrawn", "--yes")
    assert federation("run") == []


def test_a_dataset_is_withdrawn_before_its_files_are_deleted(federation):
    federation("run")
    problem = federation("dataset", "discard", "ours", "--yes", status=6)
    assert "medperf dataset withdraw 1" in problem["hint"]
    federation("dataset", "withdraw", "ours", "--yes")
    problem = federation("dataset", "discard", "ours", "--yes", status=6)
    assert "not done with 'ours'" in problem["detail"]
    federation("run")
    gone = federation("dataset", "discard", "ours", "--reason", "no consent", "--yes")
    assert (gone["preparation"], gone["name"]) == ("discarded", "ours (discarded 1)")
    assert not Path(gone["data_path"]).exists()
    assert [one["preparation"] for one in federation("dataset", "ls")] == ["discarded"]


def test_a_prepared_dataset_is_not_prepared_again(federation):
    assert federation("dataset", "prepare", "--name", "ours", status=6)["code"] == "transition"


def test_a_new_dataset_needs_its_raw_data(federation):
    problem = federation("dataset", "prepare", "--name", "other", "--benchmark", "1", status=2)
    assert "--data" in problem["hint"]


def test_a_mistyped_path_begins_no_dataset(federation):
    given = ("--benchmark", "1", "--data", "nowhere", "--labels", "nowhere")
    problem = federation("dataset", "prepare", "--name", "other", *given, status=2)
    assert (problem["code"], "do not exist" in problem["detail"]) == ("empty-input", True)
    assert [one["name"] for one in federation("dataset", "ls")] == ["ours"]


def test_a_dataset_moves_between_machines_of_its_site(federation, tmp_path, monkeypatch):
    secret = tmp_path / "secret"
    secret.write_text("correct horse battery staple\n")
    words = ("--passphrase-file", secret)
    exported = federation("dataset", "export", "ours", tmp_path / "ours.sealed", *words)
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    for name in ("site.yaml", "site-key.pem"):
        shutil.copy(tmp_path / "site" / name, other / name)
    monkeypatch.setenv("MEDPERF_SITE", str(other))
    imported = federation("dataset", "import", tmp_path / "ours.sealed", *words)
    assert imported["fingerprint"] == exported["fingerprint"]
    secret.write_text("another passphrase\n")
    assert federation("dataset", "import", tmp_path / "ours.sealed", *words, status=7)


def test_a_model_is_tested_with_everything_a_benchmark_has(federation, template):
    outcome = federation(
        "compatibility-test", "--benchmark", "by age", "--model", template[0] / "model",
        "--model-parameters", template[0] / "model" / "parameters.yaml",
        "--runner", "sandbox", who="vendor",
    )  # fmt: skip
    assert (outcome["passed"], outcome["failure"]) == (True, None)


def test_a_model_that_fails_its_test_ends_with_the_status_of_the_failure(
    federation, template, tmp_path, capsys
):
    broken = tmp_path / "broken"
    shutil.copytree(template[0] / "model", broken)
    (broken / "main.py").write_text("print('no weights here')\nraise SystemExit(3)\n")
    words = ["compatibility-test", "--benchmark", "by age", "--model", str(broken)]
    words += ["--model-parameters", str(broken / "parameters.yaml"), "--profile", "vendor"]
    assert run([*words, "--runner", "sandbox"]) == 8
    said = capsys.readouterr()
    assert "step-failed" in said.err
    assert "skipped" in said.out
    assert "The last lines of infer:\nno weights here\n" in said.err
    assert "its log is" not in said.out + said.err  # nothing is left of it
    assert "--keep DIR" in said.err
    assert run([*words, "--runner", "sandbox", "--keep", str(tmp_path / "kept")]) == 8
    log = tmp_path / "kept" / "test" / "logs" / "infer.log"
    assert f"its log is {log}" in capsys.readouterr().err
    assert log.read_text() == "no weights here\n"


def test_one_task_is_tried_in_isolation(federation, template, tmp_path):
    (tmp_path / "prepared").mkdir()
    (tmp_path / "prepared" / "data.csv").write_text("case_id,age_years\na,30\nb,80\n")
    model = template[0] / "model"
    done = federation(
        "container", "run", model, "infer", "--parameters", model / "parameters.yaml",
        "--input", f"data_path={tmp_path / 'prepared'}", "--output", f"output_path={tmp_path / 'p'}",
    )  # fmt: skip
    assert (done["exit_code"], done["runner"]) == (0, "sandbox")
    assert (tmp_path / "p" / "predictions.csv").read_text().count("\n") == 3


def test_a_task_that_fails_is_the_containers_failure(federation, template, tmp_path, capsys):
    (tmp_path / "prepared").mkdir()
    (tmp_path / "prepared" / "other.csv").write_text("x\n")
    model = template[0] / "model"
    words = ["container", "run", model, "infer", "--parameters", model / "parameters.yaml"]
    words += ["--input", f"data_path={tmp_path / 'prepared'}"]
    words += ["--output", f"output_path={tmp_path / 'p'}"]
    assert run([str(word) for word in words]) == 8
    assert "there is no" in capsys.readouterr().err


def test_a_server_is_backed_up_and_restored(federation, tmp_path):
    made = federation("server", "backup", tmp_path / "b", "--folder", tmp_path / "server")
    restored = federation("server", "restore", tmp_path / "b", "--folder", tmp_path / "again")
    assert restored["n_rows"] == made["n_rows"]
    assert federation("server", "restore", tmp_path / "b", "--folder", tmp_path / "again", status=6)


def test_an_operator_lets_people_in_without_a_login(federation, tmp_path):
    issued = federation(
        "server", "user", "--folder", tmp_path / "server", "--organization", "New",
        "--name", "Eve", "--email", "eve@x.example", "--token-file", tmp_path / "token",
    )  # fmt: skip
    assert issued["token"] is None
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600


def test_the_site_is_named_by_folder_or_environment_or_not_at_all(federation, monkeypatch):
    monkeypatch.delenv("MEDPERF_SITE")
    problem = federation("site", "status", status=2)
    assert "--folder" in problem["hint"]
    monkeypatch.setenv("MEDPERF_SITE", str(federation.root))
    assert federation("site", "status", status=3)["code"] == "not-found"


def test_a_setting_that_does_not_exist_lists_those_that_do(federation):
    problem = federation("site", "set", "color=red", status=2)
    assert "workers" in problem["detail"]


def test_logging_out_ends_the_access(federation):
    profile = profiles.choose("vendor")
    secret = profiles.secret_of(profile)
    assert federation("logout", who="vendor")["is_revoked"]
    profiles.remember(profile, secret)
    assert federation("whoami", who="vendor", status=4)["code"] == "unauthenticated"
