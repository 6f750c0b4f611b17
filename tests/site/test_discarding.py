"""Discarding a dataset: its files go, raw data and history stay, nothing is half gone."""

import threading
from datetime import timedelta
from types import SimpleNamespace

import pytest
from hospital import LIMITS, NOW, PREPARATOR, Hospital

from medperf.domain.errors import (
    ConflictError,
    NotFoundError,
    PreparationIncompleteError,
    ServerUnreachableError,
    TransitionError,
)
from medperf.domain.executions import WorkItem
from medperf.site.discarding import Discarding, delete_leftovers
from medperf.site.fingerprint import fingerprint
from medperf.site.fingerprint_cache import FingerprintCache
from medperf.site.gate import DATASET
from medperf.site.preparation import Preparation, only_one
from medperf.site.store import jobs, ledger
from medperf.site.store.connection import Store
from medperf.site.store.datasets import TABLES, Datasets
from medperf.site.store.jobs import Jobs
from medperf.site.store.ledger import Ledger


class Site(Hospital):
    """A hospital that prepares and discards."""

    def __init__(self, folder):
        super().__init__(folder)
        self.store = Store(folder / "store.db", [TABLES, jobs.TABLES, ledger.TABLES])
        self.datasets = Datasets(self.store, folder / "datasets", lambda: NOW)
        self.jobs = Jobs(self.store, lambda: NOW)
        self.ledger = Ledger(self.store, lambda: NOW)
        self.cache = FingerprintCache(folder / "files.db", lambda: NOW + timedelta(days=9000))
        self.at_server = {}
        self.asked = []
        self.preparation = Preparation(
            self.datasets, self.steps, limits=lambda task: LIMITS, cache=self.cache,
            clock=lambda: NOW, poll_s=0.005,
        )  # fmt: skip
        self.discarding = Discarding(
            self.store, self.datasets, self.jobs, self.ledger, self.steps, self.cache,
            at_server=self.look,
        )  # fmt: skip

    def look(self, dataset):
        self.asked.append(dataset.number)
        return self.at_server.get(dataset.number)

    def begin(self, name="first"):
        raw = self.folder / "raw"
        if not raw.exists():
            self.raw()
        return self.datasets.add(
            name, PREPARATOR, raw_data_path=raw / "data", raw_labels_path=raw / "labels"
        ).number

    def prepared(self):
        number = self.begin()
        self.preparation.prepare(number, actor="user:ada")
        return number

    def registered(self):
        number = self.prepared()
        self.datasets.act(number, "register", actor="user:ada", dataset_id=7)
        self.at_server[number] = SimpleNamespace(id=7)
        return number

    def sent(self):
        number = self.prepared()
        found = self.datasets.get(number).fingerprint
        self.ledger.write(DATASET, found, b"{}", released_by="ada", role="data owner")
        return number

    def discard(self, number):
        return self.discarding.discard(number, actor="user:ada", reason="wrong export")


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path)
    yield site
    site.store.close()


def test_what_was_prepared_goes_and_raw_data_stay(site):
    number = site.prepared()
    before = fingerprint({"raw": site.folder / "raw"}).digest
    folder = site.datasets.get(number).folder.root
    done = site.discard(number)
    assert done.state == "discarded"
    assert list(folder.parent.iterdir()) == []
    assert fingerprint({"raw": site.folder / "raw"}).digest == before
    last = site.datasets.history(number)[-1]
    assert (last.action, last.target, last.actor, last.reason) == (
        "discard", "discarded", "user:ada", "wrong export",
    )  # fmt: skip


def test_its_name_can_be_used_again(site):
    number = site.prepared()
    site.discard(number)
    again = site.begin("first")
    assert again != number
    assert site.preparation.prepare(again, actor="user:ada").state == "prepared"
    assert site.datasets.get(number).name == f"first (discarded {number})"


def test_names_of_its_files_are_forgotten(site):
    number = site.prepared()
    root = str(site.datasets.get(number).data_path.resolve()).encode()
    assert site.cache.load(root)
    site.discard(number)
    assert not site.cache.load(root)


@pytest.mark.parametrize("state", ["raw", "incomplete", "invalid"])
def test_one_that_is_not_prepared_can_go(site, state):
    number = site.begin()
    if state == "incomplete":
        site.let(PREPARATOR, "prepare", lambda call: 1)
        with pytest.raises(PreparationIncompleteError):
            site.preparation.prepare(number, actor="user:ada")
    if state == "invalid":
        for action in ("prepare", "finish", "refuse"):
            site.datasets.act(number, action, actor="site")
    assert site.datasets.get(number).state == state
    assert site.discard(number).state == "discarded"


@pytest.mark.parametrize("state", ["preparing", "checking"])
def test_one_whose_preparation_was_killed_can_go(site, state, monkeypatch):
    left = []
    monkeypatch.setattr(type(site.runner), "cleanup", lambda _, step_id: left.append(step_id))
    number = site.begin()
    site.datasets.act(number, "prepare", actor="user:ada", step_id="left")
    if state == "checking":
        site.datasets.act(number, "finish", actor="site")
    done = site.discard(number)
    assert (done.state, done.step_id) == ("discarded", None)
    assert left == ["left"]


def test_one_that_is_being_prepared_stays(site):
    number = site.prepared()
    dataset = site.datasets.get(number)
    before = fingerprint(dataset.roots).digest
    with only_one(dataset), pytest.raises(ConflictError, match="being prepared"):
        site.discard(number)
    assert site.datasets.get(number).state == "prepared"
    assert fingerprint(dataset.roots).digest == before


def test_a_registered_one_is_withdrawn_first(site):
    number = site.registered()
    with pytest.raises(ConflictError, match="dataset 7 at the server") as raised:
        site.discard(number)
    assert "medperf dataset withdraw 7" in raised.value.advice
    assert site.datasets.get(number).folder.data_path.is_dir()
    site.at_server.clear()
    assert site.discard(number).state == "discarded"
    assert not site.datasets.get(number).folder.root.exists()


def test_a_job_that_is_not_done_with_it_keeps_it(site):
    number = site.registered()
    site.at_server.clear()
    site.jobs.offer([WorkItem(benchmark_id=1, model_id=2, dataset_id=7)], NOW)
    with pytest.raises(ConflictError, match="not done with 'first'"):
        site.discard(number)
    assert site.datasets.get(number).state == "registered"
    [job] = site.jobs.in_states()
    site.jobs.transition(job.number, "cancel")
    assert site.discard(number).state == "discarded"


def test_it_goes_only_once(site):
    number = site.prepared()
    site.discard(number)
    with pytest.raises(TransitionError):
        site.discard(number)
    assert list((site.folder / "datasets").iterdir()) == []
    with pytest.raises(NotFoundError):
        site.discard(99)


def test_what_a_killed_process_left_goes_when_asked_again_or_pruned(site, monkeypatch):
    number, other = site.prepared(), site.begin("second")
    site.preparation.prepare(other, actor="user:ada")

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("medperf.site.discarding.delete", killed)
        for each in (number, other):
            with pytest.raises(KeyboardInterrupt):
                site.discard(each)
    folder = site.folder / "datasets"
    assert len(list(folder.iterdir())) == 2
    assert site.discard(number).state == "discarded"
    assert len(list(folder.iterdir())) == 1
    assert delete_leftovers(site.datasets) == []
    assert list(folder.iterdir()) == []


def test_pruning_leaves_what_was_not_discarded(site):
    number = site.prepared()
    before = fingerprint(site.datasets.get(number).roots).digest
    delete_leftovers(site.datasets)
    assert fingerprint(site.datasets.get(number).roots).digest == before


def test_nothing_is_lost_when_it_cannot_be_written_down(site, monkeypatch):
    number = site.prepared()
    dataset = site.datasets.get(number)
    before = fingerprint(dataset.roots).digest

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Datasets, "act", full)
        with pytest.raises(OSError, match="No space left"):
            site.discard(number)
    assert site.datasets.get(number).state == "prepared"
    assert fingerprint(dataset.roots).digest == before


def test_what_cannot_be_deleted_is_said_and_tried_again(site, monkeypatch):
    number = site.prepared()

    def refused(*_):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("medperf.site.discarding.delete", refused)
        with pytest.raises(PermissionError):
            site.discard(number)
        [stubborn] = delete_leftovers(site.datasets)
        assert stubborn.number == number
    assert delete_leftovers(site.datasets) == []
    assert not site.datasets.get(number).folder.root.exists()


def test_a_folder_on_another_disk_goes_with_its_link(site):
    number = site.prepared()
    root = site.datasets.get(number).folder.root
    elsewhere = site.folder / "larger disk"
    root.rename(elsewhere)
    root.symlink_to(elsewhere)
    assert site.discard(number).state == "discarded"
    assert not elsewhere.exists()
    assert not root.is_symlink()


def test_nobody_is_asked_about_one_that_never_left(site):
    site.discard(site.prepared())
    assert site.asked == []


def test_one_that_the_server_took_and_nobody_heard_of_stays(site):
    number = site.sent()
    site.at_server[number] = SimpleNamespace(id=7)
    with pytest.raises(ConflictError, match="dataset 7 at the server") as raised:
        site.discard(number)
    assert "medperf dataset register 'first', then medperf dataset withdraw 7" in (
        raised.value.advice
    )
    assert site.datasets.get(number).state == "prepared"


def test_one_that_the_server_refused_goes(site):
    number = site.sent()
    assert site.discard(number).state == "discarded"
    assert site.asked == [number]


def test_one_that_may_have_been_registered_stays_while_the_server_is_away(site, monkeypatch):
    number = site.sent()

    def away(_dataset):
        raise ServerUnreachableError("nobody answers")

    monkeypatch.setattr(site.discarding, "_at_server", away)
    with pytest.raises(ServerUnreachableError):
        site.discard(number)
    assert site.datasets.get(number).state == "prepared"


def test_one_that_is_registered_in_the_meantime_stays(site):
    number = site.prepared()
    with only_one(site.datasets.get(number)), pytest.raises(ConflictError, match="registered"):
        site.discard(number)


def test_what_described_it_is_forgotten(site):
    number = site.registered()
    site.at_server.clear()
    done = site.discard(number)
    assert done.fingerprint is done.statistics is done.n_cases is done.dataset_id is None
    with pytest.raises(NotFoundError, match="not on this machine"):
        site.datasets.of_server(7)


def test_a_name_that_looks_discarded_is_in_nobodys_way(site):
    number = site.prepared()
    site.begin(f"first (discarded {number})")
    assert site.discard(number).name == f"first (discarded {number})*"


def test_two_at_once_discard_it_once(site):
    number = site.prepared()
    outcomes = []

    def attempt():
        try:
            outcomes.append(site.discard(number).state)
        except (ConflictError, TransitionError) as error:
            outcomes.append(type(error).__name__)

    threads = [threading.Thread(target=attempt) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "discarded" in outcomes
    assert len(outcomes) == 2
    assert site.datasets.get(number).state == "discarded"
