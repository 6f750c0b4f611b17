"""Preparation: resumable, driven by the report, and clear about who must act next."""

import signal
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from hospital import LIMITS, NOW, OLDER_PREPARATOR, PREPARATOR, Hospital, prepare, statistics

from medperf.domain.errors import (
    CancelledError,
    ConflictError,
    DiskFullError,
    DuplicateError,
    EmptyInputError,
    InvalidDataError,
    InvalidRequestError,
    MalformedFileError,
    NotFoundError,
    PreparationIncompleteError,
    StepFailedError,
    StepOutputError,
    StepTimedOutError,
    TransitionError,
)
from medperf.site.file_lock import is_locked
from medperf.site.fingerprint import fingerprint
from medperf.site.fingerprint_cache import FingerprintCache
from medperf.site.preparation import Preparation
from medperf.site.store.connection import Store
from medperf.site.store.datasets import TABLES, Datasets


class Site(Hospital):
    """The hospital with a store, in which datasets are prepared."""

    def __init__(self, folder):
        super().__init__(folder)
        self.store = Store(folder / "store.db", [TABLES])
        self.datasets = Datasets(self.store, folder / "datasets", lambda: NOW)
        self.preparation = Preparation(
            self.datasets,
            self.steps,
            limits=lambda task: LIMITS,
            cache=FingerprintCache(folder / "files.db"),
            clock=lambda: NOW + timedelta(hours=1),
            poll_s=0.005,
        )

    def begin(self, name="first", preparator=PREPARATOR):
        data, labels = self.folder / "raw" / "data", self.folder / "raw" / "labels"
        if not data.exists():
            self.raw()
        return self.datasets.add(
            name, preparator, raw_data_path=data, raw_labels_path=labels
        ).number

    def prepare(self, number, **options):
        return self.preparation.prepare(number, actor="user:ada", **options)

    def path(self, number):
        return [line.target for line in self.datasets.history(number)]


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path)
    yield site
    site.store.close()


def report(**statuses):
    return yaml.safe_dump(
        {
            "status": statuses,
            "status_name": {case: "bad" if s < 0 else "good" for case, s in statuses.items()},
            "comment": {case: "look at it" for case, s in statuses.items() if s < 0},
        }
    )


def test_raw_becomes_prepared(site):
    number = site.begin()
    dataset = site.prepare(number)
    assert dataset.state == "prepared"
    assert dataset.n_cases == 3
    assert dataset.statistics == {"n_cases": 3, "mean_size": 7.5}
    assert dataset.prepared_at == NOW + timedelta(hours=1)
    assert dataset.fingerprint == fingerprint(dataset.roots).digest
    assert set(dataset.roots) == {"data", "labels", "metadata"}
    assert site.tasks_run() == ["prepare", "sanity_check", "statistics"]
    assert site.path(number) == ["preparing", "checking", "prepared"]


def test_older_preparator_leaves_labels_with_the_data(site):
    dataset = site.prepare(site.begin(preparator=OLDER_PREPARATOR))
    assert dataset.state == "prepared"
    assert dataset.labels_path == dataset.data_path
    assert set(dataset.roots) == {"data"}
    assert dataset.fingerprint == fingerprint(dataset.roots).digest


def test_raw_data_is_left_as_it_was(site):
    number = site.begin()
    before = fingerprint({"raw": site.folder / "raw"}).digest
    site.prepare(number)
    assert fingerprint({"raw": site.folder / "raw"}).digest == before


def test_prepared_dataset_is_not_prepared_again(site):
    number = site.begin()
    site.prepare(number)
    with pytest.raises(TransitionError):
        site.prepare(number)


def test_two_datasets_do_not_share_a_name(site):
    site.begin()
    with pytest.raises(DuplicateError, match="'first'"):
        site.begin()


def test_unknown_dataset_is_named(site):
    with pytest.raises(NotFoundError, match="dataset 7"):
        site.prepare(7)


def test_unfinished_preparation_leaves_a_worklist_and_goes_on_with_the_same_outputs(site):
    number = site.begin()

    def half(call):
        (call.paths["output_path"] / "by hand.txt").write_text("started")
        call.paths["report_file"].write_text(report(case0=1, case1=-1, case2=-2))
        return 1

    site.let(PREPARATOR, "prepare", half)
    with pytest.raises(PreparationIncompleteError, match="2 of 3 cases need a person") as caught:
        site.prepare(number)
    assert caught.value.context["n_outstanding"] == 2
    assert site.datasets.get(number).state == "incomplete"
    assert [case.case for case in site.preparation.worklist(number).outstanding] == [
        "case1",
        "case2",
    ]

    seen = []

    def rest(call):
        seen.append((call.paths["output_path"] / "by hand.txt").read_text())
        seen.append("case1" in call.paths["report_file"].read_text())
        prepare(call)
        (call.paths["output_path"] / "by hand.txt").unlink()

    site.let(PREPARATOR, "prepare", rest)
    assert site.prepare(number).state == "prepared"
    assert seen == ["started", True]


def test_unfinished_without_a_report_says_so(site):
    number = site.begin()
    site.let(PREPARATOR, "prepare", lambda call: 1)
    with pytest.raises(PreparationIncompleteError, match="no report"):
        site.prepare(number)
    assert site.preparation.worklist(number) is None


def test_missing_column_fails_the_container_and_the_log_says_which(site):
    number = site.begin()

    def crash(call):
        raise KeyError("radius_mean")

    site.let(PREPARATOR, "prepare", crash)
    with pytest.raises(PreparationIncompleteError) as caught:
        site.prepare(number)
    log = Path(caught.value.context["log"])
    assert "radius_mean" in log.read_text()
    assert "radius_mean" not in str(caught.value)


def test_refused_check_without_a_report_is_invalid(site):
    number = site.begin()

    def silent(call):
        prepare(call)
        call.paths["report_file"].write_text("")

    site.let(PREPARATOR, "prepare", silent)
    site.let(PREPARATOR, "sanity_check", lambda call: 1)
    with pytest.raises(InvalidDataError, match=r"sanity_check\.log"):
        site.prepare(number)
    assert site.datasets.get(number).state == "invalid"
    site.let(PREPARATOR, "sanity_check", lambda call: 0)
    assert site.prepare(number).state == "prepared"


def test_refused_check_with_a_report_is_outstanding_work(site):
    number = site.begin()
    site.let(PREPARATOR, "sanity_check", lambda call: 1)
    with pytest.raises(PreparationIncompleteError, match="sanity check"):
        site.prepare(number)
    assert site.datasets.get(number).state == "incomplete"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "left 'output_path' empty"),
        ("n_cases: [1", "not YAML"),
        ("just text", "not a table"),
        ("name: text", "holds no number"),
        ("{}", "holds no number"),
    ],
)
def test_statistics_that_are_none_are_one_clear_error(site, text, message):
    number = site.begin()
    site.let(
        PREPARATOR, "statistics", lambda call: call.paths["output_path"].write_text(text) and 0
    )
    with pytest.raises(StepOutputError, match=message) as caught:
        site.prepare(number)
    assert "statistics.log" in caught.value.detail
    assert site.datasets.get(number).state == "incomplete"


@pytest.mark.parametrize(
    ("said", "n_cases"), [({"n_cases": 2}, 2), ({"n": 9}, 3), ({"n_cases": "two", "n": 1}, 3)]
)
def test_number_of_cases_is_the_statistics_word_else_the_reports(site, said, n_cases):
    number = site.begin()
    site.let(
        PREPARATOR,
        "statistics",
        lambda call: call.paths["output_path"].write_text(yaml.safe_dump(said)) and 0,
    )
    assert site.prepare(number).n_cases == n_cases


def test_number_of_cases_is_that_of_the_entries_when_nobody_says(site):
    number = site.begin()

    def silent(call):
        prepare(call)
        call.paths["report_file"].write_text("")

    site.let(PREPARATOR, "prepare", silent)
    site.let(
        PREPARATOR, "statistics", lambda call: call.paths["output_path"].write_text("x: 1") and 0
    )
    assert site.prepare(number).n_cases == 3


def test_mistyped_raw_path_can_be_corrected_until_it_is_prepared(site):
    data, labels = site.raw()
    number = site.datasets.add(
        "first", PREPARATOR, raw_data_path=site.folder / "rwa", raw_labels_path=labels
    ).number
    with pytest.raises(EmptyInputError, match="raw data of 'first' do not exist"):
        site.prepare(number)
    pointed = site.datasets.point_to(number, data=data, labels=None)
    assert (pointed.raw_data_path, pointed.raw_labels_path) == (data, labels)
    site.prepare(number)
    site.datasets.point_to(number, data=data, labels=labels)
    with pytest.raises(ConflictError, match="prepared already"):
        site.datasets.point_to(number, data=labels, labels=None)
    assert site.datasets.get(number).raw_data_path == data


@pytest.mark.parametrize("which", ["data", "labels"])
def test_empty_raw_folder_is_refused_before_anything_runs(site, which):
    number = site.begin()
    for file in (site.folder / "raw" / which).iterdir():
        file.unlink()
    with pytest.raises(EmptyInputError, match=f"raw {which}"):
        site.prepare(number)
    assert site.runner.runs == []
    assert site.datasets.get(number).state == "raw"


@pytest.mark.parametrize(
    "text", ["status: [", "status: {case1: unclear}", "comment: {case1: no status}"]
)
def test_malformed_report_is_one_clear_error(site, text):
    number = site.begin()
    site.let(PREPARATOR, "prepare", lambda call: call.paths["report_file"].write_text(text) and 1)
    with pytest.raises(MalformedFileError):
        site.prepare(number)
    assert site.datasets.get(number).state == "incomplete"


def test_planted_link_is_never_fingerprinted(site):
    number = site.begin()

    def plant(call):
        prepare(call)
        (call.paths["output_path"] / "case0.txt").unlink()
        (call.paths["output_path"] / "case0.txt").symlink_to("/etc/passwd")

    site.let(PREPARATOR, "prepare", plant)
    with pytest.raises(StepOutputError, match="symbolic link"):
        site.prepare(number)
    assert site.datasets.get(number).state == "incomplete"


@pytest.mark.parametrize(
    ("fail", "error"),
    [
        (lambda call: call.sleep(10**6), StepTimedOutError),
        (lambda call: None, StepOutputError),
    ],
)
def test_failed_preparation_can_be_tried_again(site, fail, error):
    number = site.begin()
    site.let(PREPARATOR, "prepare", fail)
    with pytest.raises(error) as caught:
        site.prepare(number)
    assert isinstance(caught.value, StepFailedError)
    assert site.datasets.history(number)[-1].reason == error.code
    site.let(PREPARATOR, "prepare", prepare)
    assert site.prepare(number).state == "prepared"


def test_full_disk_stops_it_and_it_resumes(site):
    number = site.begin()
    site.steps._reserve_bytes = 2**62
    with pytest.raises(DiskFullError):
        site.prepare(number)
    assert site.datasets.get(number).state == "incomplete"
    site.steps._reserve_bytes = 0
    assert site.prepare(number).state == "prepared"


def test_person_can_stop_it(site):
    number = site.begin()
    cancel = threading.Event()
    site.let(PREPARATOR, "prepare", lambda call: (cancel.set(), call.sleep(1))[1])
    with pytest.raises(CancelledError):
        site.prepare(number, cancel=cancel)
    assert site.datasets.history(number)[-1].reason == "cancelled"


@pytest.mark.parametrize("task", ["prepare", "sanity_check", "statistics"])
def test_interrupted_by_ctrl_c_it_resumes(site, task, monkeypatch):
    number = site.begin()
    run = type(site.runner).run

    def interrupt(self, image, step, log_path, *, cancel=None):
        if step.task == task:
            raise KeyboardInterrupt
        return run(self, image, step, log_path, cancel=cancel)

    monkeypatch.setattr(type(site.runner), "run", interrupt)
    with pytest.raises(KeyboardInterrupt):
        site.prepare(number)
    assert site.datasets.get(number).state == "incomplete"
    assert list((site.folder / "work").iterdir()) == []
    monkeypatch.setattr(type(site.runner), "run", run)
    assert site.prepare(number).state == "prepared"


KILLED = """
import os, signal, sys
from pathlib import Path
from hospital import PREPARATOR
from test_preparation import Site

def die(call):
    os.kill(os.getpid(), signal.SIGKILL)

site = Site(Path(sys.argv[1]))
site.let(PREPARATOR, sys.argv[2], die)
site.prepare(site.begin())
"""


@pytest.mark.parametrize(
    ("task", "state", "again"),
    [
        ("prepare", "preparing", ["prepare", "sanity_check", "statistics"]),
        ("sanity_check", "checking", ["sanity_check", "statistics"]),
        ("statistics", "checking", ["sanity_check", "statistics"]),
    ],
)
def test_killed_at_any_task_it_resumes_there(tmp_path, task, state, again):
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), task],
        env={"PYTHONPATH": f"{here}:{here.parent}", "PATH": "/usr/bin:/bin"},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    site = Site(tmp_path)
    try:
        dataset = site.datasets.named("first")
        assert dataset.state == state
        assert dataset.step_id is not None
        (tmp_path / "work" / dataset.step_id / "left").mkdir(parents=True, exist_ok=True)
        assert site.prepare(dataset.number).state == "prepared"
        assert site.tasks_run() == again
        assert list((tmp_path / "work").iterdir()) == []
    finally:
        site.store.close()


def test_second_process_on_the_same_dataset_is_refused(site):
    number = site.begin()
    refused = []

    def meanwhile(call):
        other = Preparation(
            site.datasets,
            site.steps,
            limits=lambda task: LIMITS,
            cache=FingerprintCache(site.folder / "c"),
            clock=lambda: NOW,
        )
        refused.append(is_locked(site.datasets.get(number).folder.lock))
        with pytest.raises(ConflictError, match="another process"):
            other.prepare(number, actor="user:bob")
        prepare(call)

    site.let(PREPARATOR, "prepare", meanwhile)
    assert site.prepare(number).state == "prepared"
    assert refused == [True]
    assert not is_locked(site.datasets.get(number).folder.lock)


def test_progress_follows_the_report_while_it_runs(site):
    number = site.begin()
    told, seen = threading.Event(), []

    def progress(task, found):
        seen.append((task, dict(found.counts) if found else None))
        if found and found.counts.get("bad") == 2:
            told.set()

    def slowly(call):
        call.paths["report_file"].write_text("status: {case")  # half a line: not told
        call.paths["report_file"].write_text(report(case1=-1, case2=-1))
        assert told.wait(60)
        prepare(call)

    site.let(PREPARATOR, "prepare", slowly)
    site.prepare(number, progress=progress)
    assert seen[0] == ("prepare", None)
    assert ("prepare", {"bad": 2}) in seen
    assert seen[-3:] == [
        (task, {"done": 3}) for task in ("sanity_check", "statistics", "fingerprint")
    ]


def test_old_logs_are_removed(site, monkeypatch):
    monkeypatch.setattr("medperf.site.preparation.KEPT_LOGS", 2)
    number = site.begin()
    site.let(PREPARATOR, "prepare", lambda call: 1)
    for _ in range(5):
        with pytest.raises(PreparationIncompleteError):
            site.prepare(number)
    logs = sorted(path.name for path in (site.folder / "datasets" / "1" / "logs").iterdir())
    assert logs == ["0003-prepare.log", "0004-prepare.log", "0005-prepare.log"]


def test_imported_dataset_is_not_prepared_here(site):
    imported = site.datasets.add_prepared(
        "moved",
        PREPARATOR,
        description="",
        fingerprint="blake3:" + "0" * 64,
        n_cases=1,
        statistics={"n_cases": 1},
        prepared_at=NOW,
        dataset_id=12,
        bring=lambda folder: None,
    )
    assert site.datasets.of_server(12) == imported
    assert [dataset.name for dataset in site.datasets.all(state="registered")] == ["moved"]
    with pytest.raises(ConflictError, match="imported"):
        site.prepare(imported.number)
    with pytest.raises(NotFoundError, match="dataset 13"):
        site.datasets.of_server(13)


def test_statistics_of_an_earlier_attempt_do_not_count(site):
    number = site.begin()
    site.prepare(number)
    stale = site.datasets.get(number).folder.statistics_path
    with site.store.transaction() as tx:
        tx.execute("UPDATE datasets SET state = 'checking'")
    assert stale.exists()
    site.let(PREPARATOR, "statistics", lambda call: None)
    with pytest.raises(StepOutputError):
        site.prepare(number)
    site.let(PREPARATOR, "statistics", statistics)
    assert site.prepare(number).state == "prepared"


def test_one_that_could_not_be_registered_under_its_name_is_not_begun(site):
    with pytest.raises(InvalidRequestError, match="begins with a letter or digit"):
        site.begin("=1+1")
    assert site.datasets.all() == ()


def test_a_name_is_found_however_it_was_typed(site):
    number = site.begin("Je\N{COMBINING ACUTE ACCENT}")
    assert site.datasets.named("J\N{LATIN SMALL LETTER E WITH ACUTE}").number == number
    assert site.datasets.named("Je\N{COMBINING ACUTE ACCENT}").number == number
