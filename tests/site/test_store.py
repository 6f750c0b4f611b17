"""The store: whole transactions, versioned tables, one agent, a ledger that keeps its lines."""

import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from medperf.domain import errors
from medperf.domain.executions import WorkItem
from medperf.site.file_lock import is_locked
from medperf.site.store import jobs, leases, ledger, outputs
from medperf.site.store.connection import Component, Store, named_errors
from medperf.site.store.jobs import Decision, Failure, Jobs
from medperf.site.store.leases import Lease, holder_of
from medperf.site.store.ledger import Ledger

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TABLES = (jobs.TABLES, outputs.TABLES, ledger.TABLES, leases.TABLES)
THINGS = Component("things", ("CREATE TABLE things (n INTEGER);",))


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "store.db", (*TABLES, THINGS)) as opened:
        yield opened


def clock():
    return NOW


def add(store, *numbers):
    with store.transaction() as tx:
        for number in numbers:
            tx.execute("INSERT INTO things VALUES (?)", (number,))


def write(store, *queries):
    with store.transaction() as tx:
        for query in queries:
            tx.execute(query)


def things(store):
    return [row["n"] for row in store.rows("SELECT n FROM things")]


def test_only_its_owner_may_read_the_store(store):
    assert store.path.stat().st_mode & 0o777 == 0o600


def test_a_failing_transaction_changes_nothing(store):
    with pytest.raises(errors.MedPerfError, match="no such table"):
        write(store, "INSERT INTO things VALUES (1)", "INSERT INTO unknown VALUES (1)")
    assert things(store) == []


def test_a_transaction_inside_another_belongs_to_it(store):
    def fail():
        with store.transaction(durable=True):
            add(store, 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert things(store) == []


def test_threads_share_a_store(store):
    threads = [threading.Thread(target=add, args=(store, n, n)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(things(store)) == 16


def test_a_change_of_another_process_is_noticed(store):
    store.changed_elsewhere()
    assert not store.changed_elsewhere()
    with Store(store.path, (*TABLES, THINGS)) as other:
        add(other, 1)
    assert store.changed_elsewhere()


def test_tables_are_brought_up_to_date(tmp_path):
    path = tmp_path / "store.db"
    with Store(path, (THINGS,)) as store:
        add(store, 1)
    newer = Component("things", (*THINGS.scripts, "ALTER TABLE things ADD COLUMN m TEXT;"))
    with Store(path, (newer,)) as store:
        assert store.row("SELECT n, m FROM things")["m"] is None
    with Store(path, (newer,)) as store:
        assert things(store) == [1]


def test_a_store_of_a_newer_program_is_left_alone(tmp_path):
    path = tmp_path / "store.db"
    Store(path, (Component("things", (*THINGS.scripts, "SELECT 1;")),)).close()
    with pytest.raises(errors.ConflictError, match="newer MedPerf"):
        Store(path, (THINGS,))


def test_a_failing_migration_changes_nothing(tmp_path):
    path = tmp_path / "store.db"
    broken = Component("other", ("CREATE TABLE other (n INTEGER);\nCREATE TABLE other (n);",))
    with pytest.raises(errors.MedPerfError, match="cannot be used"):
        Store(path, (THINGS, broken))
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
    connection.close()


def test_a_full_disk_has_its_own_error(store):
    store.row("PRAGMA max_page_count = 1")
    with pytest.raises(errors.DiskFullError):
        write(store, *["INSERT INTO things VALUES (zeroblob(100000))"] * 100)


@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_CANTOPEN])
def test_an_error_for_want_of_space_is_a_full_disk_and_another_is_not(tmp_path, monkeypatch, code):
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code

    def named(folder=tmp_path):
        with pytest.raises(errors.MedPerfError) as raised, named_errors(folder / "store.db"):
            raise error
        return type(raised.value)

    assert named() is named(tmp_path / "gone") is errors.MedPerfError
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=4096))
    assert named() is errors.DiskFullError


def test_a_locked_file_is_unavailable(store):
    store.row("PRAGMA busy_timeout = 1")
    with (
        Store(store.path, (*TABLES, THINGS)) as other,
        other.transaction(),
        pytest.raises(errors.UnavailableError, match="locked"),
    ):
        add(store, 1)


def test_a_new_file_that_another_process_makes_just_now_is_waited_for(tmp_path):
    path = tmp_path / "store.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.2, other.close)
    timer.start()
    with Store(path, (THINGS,)) as store:
        add(store, 1)
        assert things(store) == [1]
    timer.join()


def test_a_new_file_that_stays_locked_is_unavailable(tmp_path, monkeypatch):
    monkeypatch.setattr("medperf.site.store.connection.BUSY_TIMEOUT_S", 0.0)
    path = tmp_path / "store.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(errors.UnavailableError, match="locked"):
        Store(path, (THINGS,))
    other.close()


# --- leases ---


def test_one_agent_holds_the_lease_until_it_lets_go(store, tmp_path):
    lock = tmp_path / "agent.lock"
    assert not is_locked(lock)
    with Lease(store, lock, clock):
        assert is_locked(lock)
        with pytest.raises(errors.StoreLockedError, match="is the agent"):
            Lease(store, lock, clock).acquire()
    assert not is_locked(lock)
    Lease(store, lock, clock).release()


def test_who_only_asks_keeps_no_agent_from_its_lease(store, tmp_path):
    lock = tmp_path / "agent.lock"
    done = threading.Event()

    def ask():
        while not done.is_set():
            is_locked(lock)

    asking = [threading.Thread(target=ask) for _ in range(4)]
    for thread in asking:
        thread.start()
    try:
        for _ in range(20):
            with Lease(store, lock, clock):
                pass
    finally:
        done.set()
        for thread in asking:
            thread.join()


def test_a_heartbeat_is_seen(store, tmp_path):
    moments = iter([NOW, NOW + timedelta(seconds=5)])
    with Lease(store, tmp_path / "agent.lock", lambda: next(moments)) as lease:
        lease.beat()
    assert holder_of(store).heartbeat_at == NOW + timedelta(seconds=5)


def test_nobody_held_a_new_store(store):
    assert holder_of(store) is None


# --- ledger ---


def test_a_line_of_the_ledger_cannot_be_changed_or_deleted(store):
    book = Ledger(store, clock)
    line = book.write("result", "execution:1", b"bytes", released_by="Ada", role="checker")
    book.answered(line, "result:1")
    for table, column in (("ledger", "content"), ("ledger_answers", "answer")):
        for query in (f"UPDATE {table} SET {column} = 'x'", f"DELETE FROM {table}"):
            with pytest.raises(sqlite3.IntegrityError, match="keeps its lines"):
                write(store, query)
    assert book.lines()[0].content == b"bytes"


def test_the_same_bytes_about_the_same_thing_are_one_line(store):
    book = Ledger(store, clock)
    first = book.write("result", "execution:1", b"bytes", released_by="Ada", role="checker")
    again = book.write("result", "execution:1", b"bytes", released_by="Bob", role="checker")
    other = book.write("result", "execution:2", b"bytes", released_by="Ada", role="checker")
    assert (again.number, again.released_by) == (first.number, "Ada")
    assert [line.number for line in book.lines("result")] == [first.number, other.number]
    assert book.find("result", "execution:3") is None


# --- jobs ---


def offer(board, *pairs, asked_at=NOW + timedelta(minutes=1)):
    items = [WorkItem(benchmark_id=b, model_id=m, dataset_id=d) for b, m, d in pairs]
    return board.offer(items, asked_at)


@pytest.fixture
def board(store):
    return Jobs(store, clock)


def test_an_offer_is_remembered_once(board):
    assert offer(board, (1, 1, 1), (1, 2, 1)) == 2
    assert offer(board, (1, 1, 1)) == 0
    assert board.counts() == {"queued": 2}


def test_urgent_jobs_come_first(board):
    board.offer(
        [
            WorkItem(benchmark_id=1, model_id=1, dataset_id=1),
            WorkItem(benchmark_id=1, model_id=2, dataset_id=1, priority=5),
        ],
        NOW,
    )
    assert [job.model_id for job in board.in_states()] == [2, 1]


def test_a_transition_writes_state_values_and_history_together(board):
    offer(board, (1, 1, 1))
    decision = Decision("run", "approved", "Ada", "checker", NOW, "why")
    board.transition(1, "ask")
    job = board.transition(1, "approve", actor="Ada", reason="why", run_decision=decision)
    assert (job.state, job.run_decision) == ("ready", decision)
    assert [(h.action, h.source, h.target, h.actor, h.reason) for h in board.history(1)] == [
        ("ask", "queued", "waiting_to_run", "agent", ""),
        ("approve", "waiting_to_run", "ready", "Ada", "why"),
    ]


def test_what_the_table_does_not_allow_changes_nothing(board):
    offer(board, (1, 1, 1))
    with pytest.raises(errors.TransitionError):
        board.transition(1, "report")
    with pytest.raises(errors.TransitionError, match="no job 2"):
        board.transition(2, "ask")
    assert (board.get(1).state, board.history(1)) == ("queued", [])


def test_a_job_that_is_not_there_is_not_found(board):
    with pytest.raises(errors.NotFoundError, match="no job 7"):
        board.get(7)


def fail(board, *, owed, execution_id=5):
    offer(board, (1, 1, 1))
    board.transition(1, "allow")
    board.transition(
        1,
        "fail",
        failure=Failure("step-failed", "infer", "", {}),
        failure_owed=owed,
        execution_id=execution_id,
    )


def test_a_failed_pair_that_is_offered_again_starts_again(board):
    fail(board, owed=0)
    assert offer(board, (1, 1, 1)) == 1
    job = board.get(1)
    assert (job.state, job.failure, job.execution_id) == ("queued", None, None)


@pytest.mark.parametrize(
    ("owed", "execution_id", "asked_at"),
    [
        (1, 5, NOW + timedelta(minutes=1)),  # the server does not know of the failure
        (0, None, NOW + timedelta(minutes=1)),  # it never ran, so nobody retried it
        (0, 5, NOW - timedelta(minutes=1)),  # an answer from before the failure
    ],
)
def test_an_offer_that_is_no_retry_leaves_a_failed_job_alone(board, owed, execution_id, asked_at):
    fail(board, owed=owed, execution_id=execution_id)
    assert offer(board, (1, 1, 1), asked_at=asked_at) == 0
    assert board.get(1).state == "failed"


def test_a_cancelled_pair_that_is_offered_again_is_a_new_job(board):
    offer(board, (1, 1, 1))
    board.transition(1, "cancel")
    assert offer(board, (1, 1, 1)) == 1
    assert [job.state for job in board.in_states()] == ["cancelled", "queued"]


def test_the_agenda_counts_what_there_is_to_do(board):
    offer(board, (1, 1, 1), (1, 2, 1), (1, 3, 1), (1, 4, 1))
    board.transition(2, "allow")
    board.transition(3, "allow")
    board.remember(3, next_attempt_at=NOW + timedelta(minutes=1))
    board.transition(4, "allow")
    board.transition(4, "grant")
    agenda = board.agenda(NOW)
    assert (agenda.queued, agenda.ready, agenda.heavy, agenda.owed) == (1, 1, 1, 0)
    board.hurry()
    assert board.agenda(NOW).ready == 2


def test_only_reasons_that_changed_are_written(board):
    offer(board, (1, 1, 1))
    board.explain({1: "a reason"})
    board.explain({1: "a reason"})
    board.explain({})
    assert board.get(1).waiting_for == "a reason"
