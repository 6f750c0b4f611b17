"""Registration: what leaves is shown first, signed, verified, and never sent twice."""

from types import SimpleNamespace

import pytest
from hospital import EVALUATOR, LIMITS, MODEL, NOW, PREPARATOR, Hospital

from medperf.domain.associations import Association
from medperf.domain.benchmarks import AnalysisPlan, PlannedMetric
from medperf.domain.datasets import Dataset
from medperf.domain.errors import (
    ConflictError,
    DuplicateError,
    FingerprintMismatchError,
    NotFoundError,
    StepFailedError,
    TransitionError,
)
from medperf.policy.dataset_statistics import DisclosedStatistics
from medperf.provenance.canonical import digest_of
from medperf.provenance.envelope import Envelope, verify
from medperf.provenance.keys import PrivateKey
from medperf.provenance.predicates import DatasetPredicate
from medperf.provenance.statements import read_statement
from medperf.site.compatibility import CompatibilityTest
from medperf.site.fingerprint_cache import FingerprintCache
from medperf.site.preparation import Preparation, only_one
from medperf.site.registration import Registration
from medperf.site.store.connection import Store
from medperf.site.store.datasets import TABLES, Datasets

KEY = PrivateKey.from_seed(b"k" * 32)


class FakeServer:
    """Stands for the server and for the gate in front of it."""

    def __init__(self):
        self.datasets = self
        self.known = {}
        self.associations = []
        self.crash_after_registering = False

    def disclose_statistics(self, statistics, **_):
        return DisclosedStatistics(statistics, ())

    def register_dataset(self, form, *, released_by, role):
        number = 50 + len(self.known)
        self.known[number] = Dataset.model_validate(
            form.model_dump()
            | {
                "id": number,
                "version": 1,
                "site_id": 9,
                "organization_id": 1,
                "state": "development",
                "created_at": NOW,
            }
        )
        if self.crash_after_registering:
            raise KeyboardInterrupt
        return self.known[number]

    def request_association(self, form, *, released_by, role):
        self.associations.append((form, released_by, role))
        return Association(
            id=1,
            benchmark_id=form.benchmark_id,
            kind=form.kind,
            dataset_id=form.dataset_id,
            state="pending",
            requested_by="site:9",
            requested_by_organization_id=1,
            created_at=NOW,
        )

    def list(self, **filters):
        return [
            dataset
            for dataset in self.known.values()
            if all(getattr(dataset, name) == value for name, value in filters.items())
        ]

    def get(self, number):
        return self.known[number]

    def act(self, number, action, reason=""):
        if self.known[number].state != "development":
            raise TransitionError(f"cannot {action}")
        self.known[number] = self.known[number].model_copy(update={"state": "operation"})
        return self.known[number]


class FakeRecords:
    preparator_id = PREPARATOR.id

    def benchmark(self, number):
        return SimpleNamespace(
            id=number,
            name="benchmark",
            digest=digest_of(b"benchmark"),
            preparator_id=self.preparator_id,
            evaluator_id=EVALUATOR.id,
            reference_model_id=4,
            analysis_plan=AnalysisPlan(
                metrics=(PlannedMetric(name="accuracy"),), primary="accuracy", smallest_cell=1
            ),
        )

    def container(self, number):
        return EVALUATOR

    def model_container(self, number):
        return MODEL


class Site(Hospital):
    def __init__(self, folder):
        super().__init__(folder)
        self.store = Store(folder / "store.db", [TABLES])
        self.datasets = Datasets(self.store, folder / "datasets", lambda: NOW)
        cache = FingerprintCache(folder / "files.db")
        self.preparation = Preparation(
            self.datasets, self.steps, limits=lambda _: LIMITS, cache=cache, clock=lambda: NOW
        )
        self.server, self.records = FakeServer(), FakeRecords()
        self.registration = Registration(
            self.datasets,
            self.server,
            self.server,
            self.records,
            KEY,
            site_id=9,
            cache=cache,
        )
        self.test = CompatibilityTest(self.steps, folder / "test", limits=lambda _: LIMITS)

    def prepared(self, name="first"):
        raw = self.folder / "raw"
        data, labels = (raw / "data", raw / "labels") if raw.exists() else self.raw()
        number = self.datasets.add(
            name,
            PREPARATOR,
            raw_data_path=data,
            raw_labels_path=labels,
            description="three cases",
        ).number
        self.preparation.prepare(number, actor="user:ada")
        return number

    def registered(self):
        return self.registration.register(self.prepared(), released_by="ada", role="owner").number


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path)
    yield site
    site.store.close()


def test_form_holds_what_was_prepared_and_a_statement_that_says_the_same(site):
    form = site.registration.show(site.prepared())
    assert (form.name, form.n_cases, form.preparator_id) == ("first", 3, PREPARATOR.id)
    envelope = Envelope.model_validate(form.statement)
    statement = read_statement(
        verify(envelope, {KEY.key_id: KEY.public}), DatasetPredicate
    ).predicate
    assert statement.site_id == 9
    assert statement.fingerprint == form.fingerprint
    assert statement.statistics_digest == digest_of(form.statistics)
    assert statement.preparator_image_digest == PREPARATOR.image_digest
    assert statement.prepared_at == NOW


def test_showing_sends_nothing(site):
    site.registration.show(site.prepared())
    assert site.server.known == {}


def test_registered_dataset_knows_its_number(site):
    number = site.registered()
    dataset = site.datasets.get(number)
    assert (dataset.state, dataset.dataset_id) == ("registered", 50)
    assert site.datasets.of_server(50).number == number


def test_registering_again_sends_nothing(site):
    number = site.registered()
    site.registration.register(number, released_by="ada", role="owner")
    assert list(site.server.known) == [50]


def test_killed_between_sending_and_remembering_it_is_not_sent_twice(site):
    number = site.prepared()
    site.server.crash_after_registering = True
    with pytest.raises(KeyboardInterrupt):
        site.registration.register(number, released_by="ada", role="owner")
    assert site.datasets.get(number).state == "prepared"
    assert site.registration.register(number, released_by="ada", role="owner").dataset_id == 50
    assert list(site.server.known) == [50]


def test_withdrawn_registration_is_not_taken_up_again(site):
    number = site.prepared()
    site.server.crash_after_registering = True
    with pytest.raises(KeyboardInterrupt):
        site.registration.register(number, released_by="ada", role="owner")
    site.server.crash_after_registering = False
    site.server.known[50] = site.server.known[50].model_copy(update={"state": "withdrawn"})
    assert site.registration.register(number, released_by="ada", role="owner").dataset_id == 51


def test_what_the_server_has_of_a_dataset_is_found(site):
    number = site.prepared()
    assert site.registration.at_server(site.datasets.get(number)) is None
    site.server.crash_after_registering = True
    with pytest.raises(KeyboardInterrupt):
        site.registration.register(number, released_by="ada", role="owner")
    assert site.registration.at_server(site.datasets.get(number)).id == 50
    dataset = site.registration.register(number, released_by="ada", role="owner")
    assert site.registration.at_server(dataset).id == 50
    site.server.known[50] = site.server.known[50].model_copy(update={"state": "withdrawn"})
    assert site.registration.at_server(dataset) is None


def test_the_same_files_are_not_registered_twice(site):
    first, second = site.registered(), site.prepared("second")
    with pytest.raises(DuplicateError, match="dataset 50: here it is 'first'"):
        site.registration.register(second, released_by="ada", role="owner")
    assert site.datasets.get(second).dataset_id is None
    site.server.known[50] = site.server.known[50].model_copy(update={"state": "withdrawn"})
    assert site.registration.register(second, released_by="ada", role="owner").dataset_id == 51
    assert site.datasets.get(first).dataset_id == 50


def test_two_processes_do_not_register_one_dataset(site):
    number = site.prepared()
    with (
        only_one(site.datasets.get(number)),
        pytest.raises(ConflictError, match="another process"),
    ):
        site.registration.register(number, released_by="ada", role="owner")
    assert site.server.known == {}


def test_unprepared_dataset_cannot_be_registered(site):
    data, labels = site.raw()
    number = site.datasets.add("raw", PREPARATOR, raw_data_path=data, raw_labels_path=labels).number
    with pytest.raises(ConflictError, match="is raw"):
        site.registration.register(number, released_by="ada", role="owner")


def rename(data):
    (data / "case0.txt").rename(data / "case9.txt")


def swap(data):
    labels = data.parent / "labels"
    one, two = labels / "case0.txt", labels / "case1.txt"
    text = one.read_text()
    one.write_text(two.read_text())
    two.write_text(text)


@pytest.mark.parametrize("change", [rename, swap])
def test_files_changed_after_preparation_are_not_registered(site, change):
    number = site.prepared()
    change(site.datasets.get(number).data_path)
    with pytest.raises(FingerprintMismatchError):
        site.registration.register(number, released_by="ada", role="owner")
    assert site.server.known == {}


def test_submitted_dataset_is_operational_and_submitting_again_is_fine(site):
    number = site.registered()
    assert site.registration.submit(number).state == "operation"
    assert site.registration.submit(number).state == "operation"


def test_changed_files_are_not_submitted(site):
    number = site.registered()
    rename(site.datasets.get(number).data_path)
    with pytest.raises(FingerprintMismatchError):
        site.registration.submit(number)
    assert site.server.known[50].state == "development"


def test_withdrawn_dataset_cannot_be_submitted(site):
    number = site.registered()
    site.server.known[50] = site.server.known[50].model_copy(update={"state": "withdrawn"})
    with pytest.raises(ConflictError, match="withdrawn"):
        site.registration.submit(number)


def test_unregistered_dataset_cannot_be_submitted_or_associated(site):
    number = site.prepared()
    report = site.registration.test(number, 7, site.test)
    with pytest.raises(ConflictError, match="not registered"):
        site.registration.submit(number)
    with pytest.raises(ConflictError, match="not registered"):
        site.registration.associate(number, 7, report, released_by="ada", role="owner")


def test_association_carries_the_outcome_and_no_result(site):
    number = site.registered()
    report = site.registration.test(number, 7, site.test)
    site.registration.associate(number, 7, report, released_by="ada", role="owner")
    ((form, released_by, role),) = site.server.associations
    assert (form.dataset_id, form.benchmark_id, released_by, role) == (50, 7, "ada", "owner")
    assert form.compatibility["passed"] is True
    assert form.compatibility["dataset"] == site.datasets.get(number).fingerprint
    assert "accuracy" not in form.model_dump_json()


def test_failed_test_asks_for_nothing(site):
    number = site.registered()
    site.let(MODEL, "infer", lambda call: 1)
    report = site.registration.test(number, 7, site.test)
    with pytest.raises(StepFailedError):
        site.registration.associate(number, 7, report, released_by="ada", role="owner")
    assert site.server.associations == []


def test_dataset_of_another_preparator_is_refused(site):
    number = site.registered()
    site.records.preparator_id = 99
    with pytest.raises(ConflictError, match="wants container 99"):
        site.registration.test(number, 7, site.test)


def test_unknown_dataset_is_named(site):
    with pytest.raises(NotFoundError, match="dataset 3"):
        site.registration.show(3)
