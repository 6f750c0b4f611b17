"""What people and agents see of the log, and of a server that was put back to an older state."""

import json
import shutil

import pytest
from federation.federation import ServerThread
from federation.hospital_site import wait_until

from medperf.cli.main import run
from medperf.domain.errors import LogForkError
from medperf.domain.executions import Pair
from medperf.server.backup import backup, restore
from medperf.server.settings import DATABASE_FILE, SIGNED_LOG_FILE


@pytest.fixture
def server(tmp_path):
    """A server of its own: these tests turn its history back."""
    running = ServerThread(tmp_path / "own-server")
    yield running
    running.close()


def turned_back(server, then):
    """Do something, then put the server's database back to before it; its own memory too."""
    folder = server.folder
    server.stop()
    kept = folder.parent / "before"
    shutil.copytree(folder, kept)
    server.start()
    then()
    server.stop()
    for path in folder.glob(f"{DATABASE_FILE}*"):
        path.unlink()
    for path in (*kept.glob(f"{DATABASE_FILE}*"), *kept.glob(SIGNED_LOG_FILE)):
        shutil.copy(path, folder)
    server.start()


def test_log_tail_shows_the_newest_leaves(medperf, federation):
    federation.add_model("Model A")
    rows = medperf("log", "tail", "--n", 3)
    assert len(rows) == 3
    assert [row["leaf"] for row in rows] == sorted(row["leaf"] for row in rows)
    assert medperf("log", "check")["size"] == rows[-1]["leaf"] + 1


def test_log_check_says_how_far_the_log_came_since(medperf, federation):
    before = medperf("log", "check")["size"]
    federation.add_model("Model A")
    found = medperf("log", "check")
    assert found["size_before"] == before
    assert found["size"] > before


def test_log_monitor_rebuilds_the_tree_and_names_grants_without_an_answer(medperf, federation):
    federation.add_model("Model A")
    site = federation.add_site("Hospital One")
    with site.opened() as opened:
        [item] = opened.client.executions.work().items
        pair = Pair(
            benchmark_id=item.benchmark_id, model_id=item.model_id, dataset_id=item.dataset_id
        )
        opened.client.executions.request_grants((pair,))
    found = medperf("log", "monitor", "--once")
    assert found["n_open_grants"] == 1
    assert found["size"] == medperf("log", "check")["size"]


def test_a_server_put_back_is_an_alarm_at_the_command_line_that_stays(medperf, federation):
    medperf("log", "check")

    def go_on():
        federation.add_model("Model A")
        medperf("log", "check")

    turned_back(federation.server, go_on)
    assert medperf("log", "check", status=7)["code"] == "log-fork"
    # Whatever else is asked, and also when the log grew again, the evidence is shown.
    assert medperf("benchmark", "ls", status=7)["code"] == "log-fork"
    assert "fork" in medperf("log", "check", status=7)["detail"]


def test_a_running_agent_raises_and_keeps_the_alarm(federation):
    federation.add_model("Model A")
    site = federation.add_site("Hospital One")
    assert site.settle() == ["reported"]
    with site.opened() as opened:
        seen = opened.log_watch.seen

    def go_on():
        federation.add_model("Model B")
        site.settle()

    turned_back(federation.server, go_on)
    with site.running() as opened:
        wait_until(lambda: opened.log_watch.alarms)
        assert opened.link.state().away_since is not None
        assert "checkpoint" in opened.link.state().problem
    with site.opened() as opened:
        [alarm, *_] = opened.log_watch.alarms
        kept = json.loads(alarm.read_text())
        assert kept["seen"] == opened.log_watch.seen != seen


def test_restore_refuses_to_sign_a_fork_from_an_older_backup(federation, tmp_path):
    folder = federation.server.folder
    backup(folder, tmp_path / "old.gz")
    federation.add_model("Model A")
    again = tmp_path / "again"
    again.mkdir()
    # What the server of this folder signed last, as it keeps it beside its database.
    (again / SIGNED_LOG_FILE).write_text(federation.committee.log.consistency().checkpoint)
    with pytest.raises(LogForkError, match="earlier state"):
        restore(tmp_path / "old.gz", again)


def test_verify_answers_0_for_results_and_leaderboards_that_hold(medperf, federation, tmp_path):
    federation.add_model("Model A")
    site = federation.add_site("Hospital One")
    site.settle()
    result, board = tmp_path / "result.json", tmp_path / "board.json"
    medperf("result", "bundle", federation.the_result().id, "--out", result)
    medperf("benchmark", "bundle", federation.benchmark.id, "--out", board)
    for file in (result, board):
        assert medperf("verify", file)["is_verified"]
    [cell] = medperf("verify", board)["leaderboard"]
    [proven] = medperf("verify", result)["results"]
    assert (cell["metric"], cell["model_id"]) == ("accuracy", proven["model_id"])
    assert len(cell["leaves"]) == 1


def test_verify_leads_people_from_a_cell_to_its_results(medperf, federation, tmp_path, capsys):
    federation.add_model("Model A")
    federation.add_site("Hospital One").settle()
    board = tmp_path / "board.json"
    medperf("benchmark", "bundle", federation.benchmark.id, "--out", board)
    assert run(["verify", str(board)]) == 0
    said = capsys.readouterr().out
    assert "accuracy = 0.9123 (n=10), from the results at leaves" in said
    assert "model/image: sha256:" in said
    assert "approved by" in said


def without_grants(bundle):
    kept = [s for s in bundle["statements"] if '"kind":"grant"' not in s["log"]["leaf"]]
    assert len(kept) < len(bundle["statements"])
    bundle["statements"] = kept


@pytest.mark.parametrize(
    ("damage", "status", "step"),
    [
        (without_grants, 7, None),
        (lambda b: b["leaderboard"]["rows"][0].update(n_results=7), 7, 11),
        (lambda b: b.update(checkpoint=b["checkpoint"].swapcase()), 7, 1),
        (lambda b: b["statements"][3]["log"].update(index=2), 7, 2),
    ],
)
def test_verify_answers_7_for_a_leaderboard_that_does_not_hold(
    medperf, federation, tmp_path, damage, status, step
):
    federation.add_model("Model A")
    federation.add_site("Hospital One").settle()
    board = tmp_path / "board.json"
    medperf("benchmark", "bundle", federation.benchmark.id, "--out", board)
    bundle = json.loads(board.read_text())
    damage(bundle)
    board.write_text(json.dumps(bundle))
    told = medperf("verify", board, status=status)
    assert step is None or step in {each["step"] for each in told["failed"]}


def test_verify_answers_2_for_what_is_no_bundle(medperf, tmp_path):
    (tmp_path / "x.json").write_text("{}")
    assert medperf("verify", tmp_path / "x.json", status=2)["code"] == "malformed-file"
