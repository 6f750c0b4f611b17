"""A small federation for tests, told through the real client: read it as a tutorial of the API.

`World` needs only something that makes a transport, so the same world is built in-process (fast) and
against a server on a real port (`running_server`).
"""

import base64
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI

from medperf.client.api import ServerClient
from medperf.client.transport import AccessSecret, Credential, SiteCredential, Transport
from medperf.domain.ai_models import Model, ModelForm
from medperf.domain.associations import Association, AssociationForm
from medperf.domain.benchmarks import (
    AnalysisPlan,
    Benchmark,
    BenchmarkForm,
    PlannedMetric,
    ReleasePolicy,
)
from medperf.domain.container_records import Container, ContainerForm, FileReference
from medperf.domain.datasets import Dataset, DatasetForm
from medperf.domain.executions import Execution, GrantAnswer, Pair
from medperf.domain.people import (
    Enrollment,
    InvitationForm,
    InvitationKind,
    Organization,
    OrganizationForm,
    Redemption,
    Site,
    User,
)
from medperf.domain.results import MetricEstimate, Result, ResultForm, TypedResult
from medperf.provenance.canonical import digest_of
from medperf.provenance.envelope import Envelope, sign
from medperf.provenance.keys import PrivateKey
from medperf.provenance.predicates import (
    DatasetPredicate,
    ExecutionInputs,
    GrantPredicate,
    ResultPredicate,
)
from medperf.provenance.statements import make_statement, read_statement
from medperf.server.app import build_app
from medperf.server.call import Call, Caller
from medperf.server.db.migrate import upgrade
from medperf.server.db.session import Database
from medperf.server.db.tables import organizations
from medperf.server.db.writing import add
from medperf.server.people.service import issue_invitation
from medperf.server.settings import ServerSettings

PLAN = AnalysisPlan(
    metrics=(PlannedMetric(name="auroc", lower=0, upper=1),), primary="auroc", smallest_cell=5
)


class SettableClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime | None = None) -> None:
        self.now = now or datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **how_far: float) -> None:
        self.now += timedelta(**how_far)


@dataclass
class PersonActor:
    """A person with a client of their own."""

    user: User
    client: ServerClient
    secret: str

    @property
    def headers(self) -> dict[str, str]:
        """What a request of theirs shows."""
        return {"Authorization": f"Bearer {self.secret}"}


@dataclass
class SiteActor:
    """A site with its key and a client that signs with it."""

    record: Site
    key: PrivateKey
    client: ServerClient


def digest(text: str) -> str:
    """Some digest, different for each text."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def container_config(role: str) -> dict[str, Any]:
    """A config that obeys the container contract."""

    def mount(name: str, kind: str = "directory") -> dict[str, str]:
        return {"mount_path": f"/mlcommons/volumes/{name}", "type": kind}

    raw = {"data_path": mount("data"), "labels_path": mount("labels")}
    tasks = {
        "preparator": {
            "prepare": {
                "input_volumes": raw,
                "output_volumes": {
                    "output_path": mount("out"),
                    "output_labels_path": mount("out_labels"),
                },
            },
            "sanity_check": {"input_volumes": raw},
            "statistics": {
                "input_volumes": raw,
                "output_volumes": {"output_path": mount("statistics.yaml", "file")},
            },
        },
        "model": {
            "infer": {
                "input_volumes": {"data_path": mount("data")},
                "output_volumes": {"output_path": mount("predictions")},
            }
        },
        "evaluator": {
            "evaluate": {
                "input_volumes": {"predictions": mount("predictions"), "labels": mount("labels")},
                "output_volumes": {"output_path": mount("results.yaml", "file")},
            }
        },
    }
    return {
        "container_type": "DockerImage",
        "image": f"registry.example/{role}:1",
        "tasks": tasks[role],
    }


class World:
    """Acts of people and sites, each in one call."""

    def __init__(
        self, transport: Callable[[Credential | None], Transport], clock: Callable[[], datetime]
    ) -> None:
        self._transport = transport
        self.clock = clock
        self._clients: list[ServerClient] = []
        self.anybody = self.client(None)
        self.admin: PersonActor

    def client(self, credential: Credential | None) -> ServerClient:
        self._clients.append(ServerClient("", transport=self._transport(credential)))
        return self._clients[-1]

    def close(self) -> None:
        """Close the connections of everybody."""
        for client in self._clients:
            client.close()

    def redeem(self, token: str) -> PersonActor:
        access = self.anybody.invitations.redeem(Redemption(token=token))
        return PersonActor(access.user, self.client(AccessSecret(access.secret)), access.secret)

    def organization(self, name: str) -> Organization:
        return self.admin.client.organizations.register(OrganizationForm(name=name))

    def person(self, organization: Organization, name: str, **more: Any) -> PersonActor:
        form = InvitationForm(
            kind="user",
            organization_id=organization.id,
            name=name,
            email=f"{name.lower()}@{organization.id}.example",
            **more,
        )
        return self.redeem(self.admin.client.invitations.issue(form).token)

    def site_token(self, organization: Organization, name: str) -> str:
        form = InvitationForm(kind="site", organization_id=organization.id, name=name)
        return self.admin.client.invitations.issue(form).token

    def enroll(self, token: str, name: str, key: PrivateKey | None = None) -> SiteActor:
        key = key or PrivateKey.generate()
        record = self.anybody.sites.enroll(
            Enrollment(
                token=token,
                name=name,
                public_key=key.public.to_text(),
                proof=proof(key, f"medperf-enroll:{token}"),
            )
        )
        return SiteActor(record, key, self.client(SiteCredential(key, self.clock)))

    def site(self, organization: Organization, name: str) -> SiteActor:
        return self.enroll(self.site_token(organization, name), name)

    def container(
        self, person: PersonActor, role: str, name: str, *, submit: bool = True, **more: Any
    ) -> Container:
        more = {"parameters": {"seed": 1}, **more}
        form = ContainerForm(
            name=name, role=role, config=container_config(role), image_digest=digest(name), **more
        )
        registered = person.client.containers.register(form)
        return person.client.containers.act(registered.id, "submit") if submit else registered

    def model(self, person: PersonActor, name: str, *, submit: bool = True) -> Model:
        container = self.container(person, "model", f"{name} container", submit=submit)
        model = person.client.models.register(ModelForm(name=name, container_id=container.id))
        return person.client.models.act(model.id, "submit") if submit else model

    def benchmark_form(self, person: PersonActor, name: str, **more: Any) -> BenchmarkForm:
        parts = {
            "preparator_id": lambda: self.container(person, "preparator", f"{name} prep").id,
            "evaluator_id": lambda: self.container(person, "evaluator", f"{name} eval").id,
            "reference_model_id": lambda: self.model(person, f"{name} reference").id,
        }
        values = {key: more.pop(key, None) or make() for key, make in parts.items()}
        return BenchmarkForm(
            name=name,
            clinical_task="classify masses",
            demo_dataset=FileReference(url="https://demo.example/demo.tar", digest=digest("demo")),
            **{"analysis_plan": PLAN, **values, **more},
        )

    def benchmark(
        self, person: PersonActor, name: str, *, approve: bool = True, **more: Any
    ) -> Benchmark:
        client = person.client.benchmarks
        registered = client.register(self.benchmark_form(person, name, **more))
        if not approve:
            return registered
        client.act(registered.id, "submit")
        return self.admin.client.benchmarks.act(registered.id, "approve")

    def dataset_form(
        self, site: SiteActor, preparator: Container, name: str, **more: Any
    ) -> DatasetForm:
        statistics = {"n_cases": 20}
        fingerprint = "blake3:" + hashlib.sha256(f"{site.record.id} {name}".encode()).hexdigest()
        said = DatasetPredicate(
            dataset_id=1,
            site_id=site.record.id,
            fingerprint=fingerprint,
            preparator_image_digest=preparator.image_digest,
            preparator_parameters_digest=preparator.parameters_digest,
            statistics_digest=digest_of(statistics),
            prepared_at=self.clock(),
        )
        values = {
            "name": name,
            "preparator_id": preparator.id,
            "fingerprint": fingerprint,
            "n_cases": 20,
            "statistics": statistics,
            "statement": sign(make_statement(said.subjects(), said), site.key).model_dump(
                mode="json"
            ),
        }
        return DatasetForm(**{**values, **more})

    def dataset(
        self, site: SiteActor, benchmark: Benchmark, name: str, *, submit: bool = True
    ) -> Dataset:
        preparator = site.client.containers.get(benchmark.preparator_id)
        registered = site.client.datasets.register(self.dataset_form(site, preparator, name))
        return site.client.datasets.act(registered.id, "submit") if submit else registered

    def ask(
        self, asking: PersonActor | SiteActor, benchmark: Benchmark, subject: Dataset | Model
    ) -> Association:
        kind = "dataset" if isinstance(subject, Dataset) else "model"
        form = AssociationForm(benchmark_id=benchmark.id, kind=kind, **{f"{kind}_id": subject.id})
        return asking.client.associations.register(form)

    def associate(
        self,
        asking: PersonActor | SiteActor,
        deciding: PersonActor | SiteActor,
        benchmark: Benchmark,
        subject: Dataset | Model,
    ) -> Association:
        asked = self.ask(asking, benchmark, subject)
        return deciding.client.associations.act(asked.id, "approve")

    def request_grant(
        self, site: SiteActor, benchmark: Benchmark, model: Model, dataset: Dataset
    ) -> GrantAnswer:
        pair = Pair(benchmark_id=benchmark.id, model_id=model.id, dataset_id=dataset.id)
        [answer] = site.client.executions.request_grants((pair,))
        return answer

    def result_form(
        self,
        site: SiteActor,
        answer: GrantAnswer,
        document: dict[str, Any] | None = None,
        **changed: Any,
    ) -> ResultForm:
        document = document or typed_document(0.9)
        grant = read_statement(Envelope.model_validate(answer.grant).content, GrantPredicate)
        inputs = {name: getattr(grant.predicate, name) for name in ExecutionInputs.model_fields}
        values = {
            **inputs,
            "grant_digest": grant.digest,
            "grant_id": grant.predicate.grant_id,
            "site_id": site.record.id,
            "result_digest": digest_of(document),
            "result": document,
            "runner": "fake",
        }
        said = ResultPredicate(**{**values, **changed})
        envelope = sign(make_statement(said.subjects(), said), site.key)
        return ResultForm(statement=envelope.model_dump(mode="json"))

    def run(
        self,
        site: SiteActor,
        benchmark: Benchmark,
        model: Model,
        dataset: Dataset,
        value: float = 0.9,
        n: int = 20,
    ) -> Result:
        """Do as an agent does: grant, start, report."""
        answer = self.request_grant(site, benchmark, model, dataset)
        assert answer.execution is not None, answer.problem
        site.client.executions.act(answer.execution.id, "start")
        return site.client.results.submit(self.result_form(site, answer, typed_document(value, n)))


def typed_document(value: float, n: int = 20) -> dict[str, Any]:
    """A result that obeys `PLAN`."""
    estimate = MetricEstimate(name="auroc", value=value, n=n)
    document = TypedResult(n_cases=n, metrics=(estimate,))
    return document.model_dump(mode="json", exclude_none=True)


def proof(key: PrivateKey, statement: str) -> str:
    """What an enrollment or a rotation proves a key with."""
    return base64.b64encode(key.sign(statement.encode())).decode()


class Federation(World):
    """A committee, a vendor and a hospital with an approved benchmark, ready to run.

    ``cara`` and ``carl`` speak for the committee, ``vera`` for the vendor, ``hana`` and the site
    ``north`` for the hospital; ``olga`` has nothing to do with any of it. The model ``net`` and the
    dataset ``cases`` take part in ``benchmark_record``.
    """

    def build(self, **benchmark: Any) -> "Federation":
        """Bring everybody in and have everything approved."""
        self.committee, self.vendor, self.hospital = (
            self.organization(name) for name in ("Committee", "Vendor", "Hospital")
        )
        self.cara, self.carl = (self.person(self.committee, name) for name in ("Cara", "Carl"))
        self.vera = self.person(self.vendor, "Vera")
        self.hana = self.person(self.hospital, "Hana")
        self.olga = self.person(self.organization("Outside"), "Olga")
        self.north = self.site(self.hospital, "North")
        self.benchmark_record = self.benchmark(self.cara, "Masses", **benchmark)
        self.net = self.model(self.vera, "Net")
        self.cases = self.dataset(self.north, self.benchmark_record, "Cases")
        self.model_association = self.associate(
            self.vera, self.cara, self.benchmark_record, self.net
        )
        self.dataset_association = self.associate(
            self.north, self.cara, self.benchmark_record, self.cases
        )
        return self

    def in_another_benchmark(self, **policy: Any) -> "Federation":
        """The same model and dataset, from now on in a benchmark with this release policy."""
        first = self.benchmark_record
        self.benchmark_record = self.benchmark(
            self.cara,
            "Other",
            preparator_id=first.preparator_id,
            evaluator_id=first.evaluator_id,
            reference_model_id=first.reference_model_id,
            release_policy=ReleasePolicy(**policy),
        )
        self.associate(self.vera, self.cara, self.benchmark_record, self.net)
        self.associate(self.north, self.cara, self.benchmark_record, self.cases)
        return self

    def grant(self) -> GrantAnswer:
        return self.request_grant(self.north, self.benchmark_record, self.net, self.cases)

    def execution(self) -> Execution:
        answer = self.grant()
        assert answer.execution is not None, answer.problem
        return answer.execution

    def result(self, value: float = 0.9) -> Result:
        return self.run(self.north, self.benchmark_record, self.net, self.cases, value)


def new_federation(
    app: FastAPI, transport: Callable[[Credential | None], Transport]
) -> "Federation":
    """A federation, not built yet, whose first admin was let in on the server's own machine."""
    program = app.state.program
    federation = Federation(transport, program.clock)
    with program.database.writing() as connection:
        call = Call(connection, Caller(is_admin=True), program.clock(), program.identity)
        form = InvitationForm(
            kind=InvitationKind.USER,
            organization_id=add(call, organizations, name="Operator", created_at=call.now),
            name="Ada",
            email="ada@operator.example",
            is_admin=True,
        )
        _, token = issue_invitation(call, form)
    federation.admin = federation.redeem(token)
    return federation


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The app on a free port of this machine, in a thread; yields its address."""
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_config=None, access_log=False, lifespan="on")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        app.state.waiters.close()
        server.should_exit = True
        thread.join(120)
        assert not thread.is_alive(), "the server does not stop"


@dataclass
class RunningServer:
    """A server on a real port, with its first admin; ``federation.build()`` brings in the rest."""

    url: str
    app: FastAPI
    federation: Federation
    key: PrivateKey


@contextmanager
def running(database_url: str, **settings: Any) -> Iterator[RunningServer]:
    """A new server over a new database, on a free port of this machine, with the real clock."""
    database = Database(database_url)
    upgrade(database)
    key = PrivateKey.generate()
    app = build_app(
        ServerSettings(name="Test", database_url=database_url, **settings),
        key,
        database=database,
    )
    with serving(app) as url:
        federation = new_federation(app, lambda who: Transport(url, who))
        yield RunningServer(url, app, federation, key)
        federation.close()


@pytest.fixture
def running_server(tmp_path: Path) -> Iterator[RunningServer]:
    """A real server over SQLite; import this fixture into the conftest that wants it."""
    with running(f"sqlite:///{tmp_path / 'server.sqlite'}") as server:
        yield server
