"""Who takes part: an admin, a committee with an approved benchmark, vendors' models, sites.

Everything is done through the typed client against a running server, as people and sites do it.
"""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medperf.client.api import ServerClient
from medperf.client.transport import AccessSecret, SiteCredential
from medperf.domain.ai_models import Model, ModelForm
from medperf.domain.associations import Association, AssociationForm
from medperf.domain.benchmarks import Benchmark, BenchmarkForm
from medperf.domain.clock import system_clock
from medperf.domain.container_records import Container, ContainerForm
from medperf.domain.containers import Role
from medperf.domain.datasets import Dataset, DatasetForm
from medperf.domain.people import (
    Enrollment,
    InvitationForm,
    InvitationKind,
    OrganizationForm,
    Redemption,
    Site,
)
from medperf.provenance.canonical import digest_of as digest_of_document
from medperf.provenance.envelope import sign
from medperf.provenance.keys import PrivateKey
from medperf.provenance.predicates import DatasetPredicate
from medperf.provenance.statements import make_statement
from medperf.runners.archives import digest_of
from medperf.runners.fake import digest_of_reference
from medperf.server import operations

N_CASES = 20
METRIC = "accuracy"
_ROOT = "/mlcommons/volumes"
_PLAN = {
    "metrics": [{"name": METRIC, "lower": 0, "upper": 1}],
    "primary": METRIC,
    "smallest_cell": 5,
}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an access token."""

    organization_id: int
    client: ServerClient
    secret: str


@dataclass(frozen=True, slots=True)
class Station:
    """A site as the server knows it, with its key."""

    record: Site
    key: PrivateKey
    client: ServerClient


class Cast:
    """Everybody, and the one benchmark."""

    def __init__(self, folder: Path, url: str, *, evaluator_code: Path | None = None) -> None:
        """Bring people in; ``evaluator_code`` is an archive of code that really runs."""
        self.url = url
        self._n_people = 0
        issued = operations.invite_user(
            folder, name="Admin", email="admin@example.org", organization="Host", is_admin=True
        )
        self.admin = self._redeem(issued.token, issued.invitation.organization_id)
        self.committee = self.person("Committee")
        self.vendor = self.person("Vendor")
        self.benchmark = self._benchmark(evaluator_code)

    def organization(self, name: str) -> int:
        """A new organization."""
        return self.admin.client.organizations.register(OrganizationForm(name=name)).id

    def person(self, organization: str) -> Person:
        """Somebody of a new organization."""
        number = self.organization(organization)
        self._n_people += 1
        form = InvitationForm(
            kind=InvitationKind.USER,
            organization_id=number,
            name=f"Person {self._n_people}",
            email=f"person{self._n_people}@example.org",
        )
        return self._redeem(self.admin.client.invitations.issue(form).token, number)

    def site_token(self, name: str) -> str:
        """An invitation for the site of a new organization."""
        form = InvitationForm(
            kind=InvitationKind.SITE, organization_id=self.organization(name), name=name
        )
        return self.admin.client.invitations.issue(form).token

    def station(self, name: str) -> Station:
        """A site that is only a key and a client: no folder, no agent."""
        token, key = self.site_token(name), PrivateKey.generate()
        proof = base64.b64encode(key.sign(f"medperf-enroll:{token}".encode())).decode()
        form = Enrollment(token=token, name=name, public_key=key.public.to_text(), proof=proof)
        nobody = ServerClient(self.url)
        record = nobody.sites.enroll(form)
        nobody.close()
        return Station(record, key, ServerClient(self.url, SiteCredential(key)))

    def container(
        self, person: Person, name: str, role: Role, code: Path | None = None
    ) -> Container:
        """An operational container: an image that the fake runner knows, or an archive of code."""
        image = name.lower().replace(" ", "-")
        tasks = _TASKS[role]
        config: dict[str, Any] = {"container_type": "DockerImage", "image": image, "tasks": tasks}
        if code is not None:
            started = {
                task: {**spec, "run_args": {"command": ["python3", "main.py", task]}}
                for task, spec in tasks.items()
            }
            config = {"container_type": "SourceArchive", "image": code.as_uri(), "tasks": started}
        form = ContainerForm(
            name=name,
            role=role,
            config=config,
            image_digest=digest_of(code) if code else digest_of_reference(image),
            parameters={"seed": 1},
        )
        record = person.client.containers.register(form)
        return person.client.containers.act(record.id, "submit")

    def model(self, person: Person, name: str, code: Path | None = None) -> Model:
        """An operational model."""
        container = self.container(person, f"{name} container", Role.MODEL, code)
        form = ModelForm(name=name, container_id=container.id)
        record = person.client.models.register(form)
        return person.client.models.act(record.id, "submit")

    def take_part(self, client: ServerClient, thing: Model | Dataset) -> Association:
        """Ask for a place in the benchmark."""
        form = AssociationForm.model_validate(
            {
                "benchmark_id": self.benchmark.id,
                "kind": "model" if isinstance(thing, Model) else "dataset",
                "model_id" if isinstance(thing, Model) else "dataset_id": thing.id,
            }
        )
        return client.associations.register(form)

    def dataset(self, station: Station, name: str) -> Dataset:
        """An operational dataset of a station, whose files nobody will read."""
        fingerprint = "blake3:" + hashlib.sha256(f"{station.record.id} {name}".encode()).hexdigest()
        form = dataset_form(
            name, fingerprint, self.preparator, station.record.id, station.key, N_CASES
        )
        record = station.client.datasets.register(form)
        return station.client.datasets.act(record.id, "submit")

    def close(self) -> None:
        """Close the connections of the people."""
        for person in (self.admin, self.committee, self.vendor):
            person.client.close()

    def _benchmark(self, evaluator_code: Path | None) -> Benchmark:
        self.preparator = self.container(self.committee, "Preparator", Role.PREPARATOR)
        evaluator = self.container(self.committee, "Evaluator", Role.EVALUATOR, evaluator_code)
        form = BenchmarkForm.model_validate(
            {
                "name": "Benchmark",
                "clinical_task": "classify cases",
                "preparator_id": self.preparator.id,
                "evaluator_id": evaluator.id,
                "reference_model_id": self.model(self.committee, "Reference").id,
                "demo_dataset": {
                    "url": "https://example.org/demo.tar.gz",
                    "digest": digest_of_reference("demo"),
                },
                "analysis_plan": _PLAN,
                "association_policy": '@id("all") permit (principal, action, resource);',
                "result_auto_approval": True,
            }
        )
        record = self.committee.client.benchmarks.register(form)
        self.committee.client.benchmarks.act(record.id, "submit")
        return self.admin.client.benchmarks.act(record.id, "approve")

    def _redeem(self, token: str, organization_id: int) -> Person:
        nobody = ServerClient(self.url)
        secret = nobody.invitations.redeem(Redemption(token=token)).secret
        nobody.close()
        return Person(organization_id, ServerClient(self.url, AccessSecret(secret)), secret)


def dataset_form(
    name: str,
    fingerprint: str,
    preparator: Container,
    site_id: int,
    key: PrivateKey,
    n_cases: int,
) -> DatasetForm:
    """What a site registers of a prepared dataset, signed."""
    statistics = {"n_cases": n_cases}
    said = DatasetPredicate(
        dataset_id=1,
        site_id=site_id,
        fingerprint=fingerprint,
        preparator_image_digest=preparator.image_digest,
        preparator_parameters_digest=preparator.parameters_digest,
        statistics_digest=digest_of_document(statistics),
        prepared_at=system_clock(),
    )
    envelope = sign(make_statement(said.subjects(), said), key)
    return DatasetForm(
        name=name,
        preparator_id=preparator.id,
        fingerprint=fingerprint,
        n_cases=n_cases,
        statistics=statistics,
        statement=envelope.model_dump(mode="json"),
    )


def _mount(path: str, kind: str = "directory") -> dict[str, str]:
    return {"mount_path": f"{_ROOT}/{path}", "type": kind}


_RAW = {"data_path": _mount("raw_data"), "labels_path": _mount("raw_labels")}
_PREPARED = {"data_path": _mount("data"), "labels_path": _mount("labels")}
_TASKS: dict[str, dict[str, Any]] = {
    "preparator": {
        "prepare": {
            "input_volumes": _RAW,
            "output_volumes": {
                "output_path": _mount("data"),
                "output_labels_path": _mount("labels"),
            },
        },
        "sanity_check": {"input_volumes": _PREPARED},
        "statistics": {
            "input_volumes": _PREPARED,
            "output_volumes": {"output_path": _mount("statistics/statistics.yaml", "file")},
        },
    },
    "model": {
        "infer": {
            "input_volumes": {"data_path": _mount("data")},
            "output_volumes": {"output_path": _mount("predictions")},
        }
    },
    "evaluator": {
        "evaluate": {
            "input_volumes": {"predictions": _mount("predictions"), "labels": _mount("labels")},
            "output_volumes": {"output_path": _mount("results/results.yaml", "file")},
        }
    },
}
