"""A whole federation in one process: the real server over loopback, real sites, a fake runner."""

import itertools
from functools import partial
from pathlib import Path

from federation.hospital_site import TestSite
from hospital import EVALUATOR_TASKS, MODEL_TASKS, PREPARATOR_TASKS
from loopback import Port, Serving

from medperf.client.api import ServerClient
from medperf.client.transport import AccessSecret
from medperf.domain.ai_models import ModelForm
from medperf.domain.associations import AssociationForm
from medperf.domain.benchmarks import BenchmarkForm
from medperf.domain.clock import system_clock
from medperf.domain.container_records import ContainerForm
from medperf.domain.datasets import DatasetForm
from medperf.domain.identifiers import format_time
from medperf.domain.people import InvitationForm, OrganizationForm, Redemption
from medperf.provenance.canonical import digest_of
from medperf.provenance.envelope import sign
from medperf.provenance.predicates import DatasetPredicate
from medperf.provenance.statements import make_statement
from medperf.runners.fake import digest_of_reference
from medperf.server import operations
from medperf.server.app import build_app
from medperf.server.settings import ServerSettings
from medperf.site.enrollment import enroll
from medperf.site.fingerprint import fingerprint

_NUMBERS = itertools.count(1)
DIGEST = "sha256:" + "0" * 64
EVERYTHING = '@id("everything") permit (principal, action, resource);'
"""Lets every model run and every result leave without asking."""
ASK = '@id("ask") permit (principal, action in [Action::"run", Action::"release"], resource);'
ASK_TO_RELEASE = f"""{ASK}
@id("run") permit (principal, action == Action::"runUnattended", resource);"""
WELCOME = '@id("everybody") permit (principal, action, resource);'
"""Lets every dataset and every model take part in a benchmark without asking."""
PLAN = {
    "metrics": [{"name": "accuracy", "lower": 0, "upper": 1}],
    "primary": "accuracy",
    "smallest_cell": 5,
}


class ServerThread:
    """The server app on a loopback port; it can go away and come back with its data."""

    def __init__(self, folder: Path, grant_hours=24, clock=system_clock):
        self.folder = folder
        settings = operations.init(folder, name="Test server")
        settings.model_copy(update={"grant_hours": grant_hours}).save(folder)
        self.clock = clock
        self._port = Port()
        self.url = self._port.url
        self.people = None  # admin, committee and vendor, shared by all federations here
        self.parts = None  # the committee's preparator and reference model
        self.start()

    def close(self):
        for client in self.people or ():
            client.close()
        self.stop()
        self._port.close()

    def admin_invitation(self):
        number = next(_NUMBERS)
        return operations.invite_user(
            self.folder,
            name="Admin",
            email=f"admin{number}@example.org",
            organization="Operator",
            is_admin=True,
        ).token

    def start(self):
        app = build_app(
            ServerSettings.load(self.folder),
            operations.load_key(self.folder),
            look_for_keys=partial(operations.keys_here, self.folder),
            clock=self.clock,
        )
        self._serving = Serving(app, self._port)
        self._serving.start()

    def stop(self):
        self._serving.stop()


class Federation:
    """Who takes part; `benchmark` and `add_model` as the committee and a vendor, sites as sites."""

    def __init__(self, folder: Path, server: ServerThread):
        self.folder = folder
        self.server = server
        self.sites = []
        self._clients = []
        self._tag = f" {next(_NUMBERS)}"
        if server.people is None:
            self.admin = self._redeem(server.admin_invitation())
            server.people = self.admin, self.person("Committee"), self.person("Vendor")
            self._clients.clear()  # they live as long as the server
        self.admin, self.committee, self.vendor = server.people

    def close(self):
        for client in self._clients:
            client.close()

    def organization(self, name):
        form = OrganizationForm(name=name + self._tag)
        return self.admin.organizations.register(form).id

    def person(self, organization):
        number = self.organization(organization)
        email = f"person{number}@example.org"
        form = InvitationForm(
            kind="user", organization_id=number, name=f"{organization} person", email=email
        )
        client = self._redeem(self.admin.invitations.issue(form).token)
        client.organization_id = number
        return client

    def colleague(self, organization_id):
        form = InvitationForm(
            kind="user",
            organization_id=organization_id,
            name="Colleague",
            email=f"colleague{organization_id}@example.org",
        )
        return self._redeem(self.admin.invitations.issue(form).token)

    def container(self, client, name, role, tasks, **more):
        image = name.replace(" ", "-").lower()
        record = client.containers.register(
            ContainerForm(
                name=name,
                role=role,
                config={"container_type": "DockerImage", "image": image, "tasks": tasks},
                image_digest=digest_of_reference(image),
                **more,
            )
        )
        return client.containers.act(record.id, "submit")

    def model(self, client, name, supersedes=None):
        number = 1 if supersedes is None else supersedes.version + 1
        container = self.container(client, f"{name} container {number}", "model", MODEL_TASKS)
        record = client.models.register(
            ModelForm(
                name=name,
                container_id=container.id,
                supersedes_id=None if supersedes is None else supersedes.id,
            )
        )
        return client.models.act(record.id, "submit")

    def results(self):
        return list(self.committee.results.list(benchmark_id=self.benchmark.id))

    def executions(self):
        return list(self.committee.executions.list(benchmark_id=self.benchmark.id))

    def the_result(self):
        [found] = self.results()
        return self.committee.results.get(found.id)

    def set_up_benchmark(self, plan=PLAN, name="Benchmark"):
        """A committee's benchmark, approved, whose associations need no person."""
        committee = self.committee
        if self.server.parts is None:
            self.server.parts = (
                self.container(committee, "Preparator", "preparator", PREPARATOR_TASKS),
                self.model(committee, "Reference"),
            )
        self.preparator, self.reference = self.server.parts
        name += self._tag
        evaluator = self.container(committee, f"{name} evaluator", "evaluator", EVALUATOR_TASKS)
        record = committee.benchmarks.register(
            BenchmarkForm(
                name=name,
                clinical_task="classify cases",
                preparator_id=self.preparator.id,
                evaluator_id=evaluator.id,
                reference_model_id=self.reference.id,
                demo_dataset={"url": "https://example.org/demo.tar.gz", "digest": DIGEST},
                analysis_plan=plan,
                association_policy=WELCOME,
                result_auto_approval=True,
            )
        )
        committee.benchmarks.act(record.id, "submit")
        self.benchmark = self.admin.benchmarks.act(record.id, "approve")
        return self.benchmark

    def add_model(self, name, benchmark=None):
        model = self.model(self.vendor, name + self._tag)
        self.associate(self.vendor, benchmark or self.benchmark, "model", model.id)
        return model

    def next_version(self, model):
        """A new version of a vendor's model that takes part, too."""
        found = self.model(self.vendor, model.name, supersedes=model)
        self.associate(self.vendor, self.benchmark, "model", found.id)
        return found

    def next_dataset(self, hospital, n_cases=40):
        """A new version of a dataset that takes part, too, by so many cases that nobody is asked."""
        with hospital.opened() as site:
            former = hospital.dataset
            hospital.dataset = _registered(
                site, self.preparator, former.name, n_cases, supersedes_id=former.id
            )
            self._let_take_part(site, hospital.dataset)
        return hospital.dataset

    def associate(self, client, benchmark, kind, number):
        return client.associations.register(
            AssociationForm(benchmark_id=benchmark.id, kind=kind, **{f"{kind}_id": number})
        )

    def enroll(self, name, **settings):
        organization = self.organization(name)
        token = self.admin.invitations.issue(
            InvitationForm(kind="site", organization_id=organization, name=name)
        ).token
        folder = self.folder / name.lower().replace(" ", "-")
        enroll(folder, server=self.server.url, invitation=token, name=name)
        return folder

    def add_site(self, name, n_cases=10, associate=True, policy=EVERYTHING, **settings):
        """A hospital with a prepared, registered dataset that takes part in the benchmark."""
        folder = self.enroll(name)
        hospital = TestSite(folder)
        hospital.set(**{"disk_reserve_bytes": 0} | settings)
        hospital.let(policy)
        hospital.organization_id = self.organization_of(name + self._tag)
        with hospital.opened() as site:
            hospital.dataset = _registered(site, self.preparator, f"{name} data", n_cases)
            if associate:
                self._let_take_part(site, hospital.dataset)
        self.sites.append(hospital)
        return hospital

    def _let_take_part(self, site, dataset):
        form = AssociationForm(
            benchmark_id=self.benchmark.id, kind="dataset", dataset_id=dataset.id
        )
        site.gate.request_association(form, released_by="Ada", role="data owner")

    def organization_of(self, name):
        return next(o.id for o in self.admin.organizations.list(name=name))

    def _redeem(self, token):
        nobody = ServerClient(self.server.url)
        secret = nobody.invitations.redeem(Redemption(token=token)).secret
        nobody.close()
        client = ServerClient(self.server.url, AccessSecret(secret))
        self._clients.append(client)
        return client


def _registered(site, preparator, name, n_cases, supersedes_id=None):
    """A dataset as preparation and registration leave it."""
    record = site.records.container(preparator.id)
    local = site.datasets.add(
        name if supersedes_id is None else f"{name} after {supersedes_id}",
        record,
        raw_data_path=site.folder.root,
        raw_labels_path=site.folder.root,
    )
    for folder, suffix in ((local.data_path, "image"), (local.labels_path, "label")):
        folder.mkdir(parents=True)
        for number in range(n_cases):
            (folder / f"case{number}.txt").write_text(f"{name} {suffix} {number}")
    found = fingerprint(local.roots).digest
    statistics = {"n_cases": n_cases}
    now = system_clock()
    said = DatasetPredicate.model_validate(
        {
            "site_id": site.settings.site_id,
            "fingerprint": found,
            "preparator_image_digest": record.image_digest,
            "preparator_parameters_digest": record.parameters_digest,
            "statistics_digest": digest_of(statistics),
            "prepared_at": format_time(now),
        }
    )
    envelope = sign(make_statement(said.subjects(), said), site.signer)
    dataset = site.gate.register_dataset(
        DatasetForm(
            name=name,
            supersedes_id=supersedes_id,
            preparator_id=record.id,
            fingerprint=found,
            n_cases=n_cases,
            statistics=statistics,
            statement=envelope.model_dump(mode="json"),
        ),
        released_by="Ada",
        role="data owner",
    )
    site.client.datasets.act(dataset.id, "submit")
    for action in ("prepare", "finish", "pass"):
        site.datasets.act(local.number, action, actor="test")
    site.datasets.act(
        local.number,
        "register",
        actor="test",
        fingerprint=found,
        n_cases=n_cases,
        statistics=statistics,
        prepared_at=now,
        dataset_id=dataset.id,
    )
    return dataset
