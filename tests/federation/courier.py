"""A hospital whose machine no network reaches, and the courier who goes to and fro."""

import contextlib
import io
import itertools
import json

import pytest
from federation.federation import EVERYTHING
from federation.hospital_site import TestSite

from medperf.cli.main import run
from medperf.domain import errors
from medperf.domain.associations import AssociationForm
from medperf.domain.clock import system_clock
from medperf.domain.people import InvitationForm
from medperf.site.enrollment import (
    Enrolling,
    ask_to_enroll,
    take_in_enrolling,
    write_enrolling_results,
)
from medperf.site.fingerprint import fingerprint
from medperf.site.folder import SiteFolder
from medperf.site.registration import Registration


class AirGapped:
    """An air-gapped site and its courier; every step is one that a person takes."""

    def __init__(self, federation, name, tmp_path):
        self.federation, self.name, self.tmp_path = federation, name, tmp_path
        self._numbers = itertools.count(1)
        self.organization_id = federation.organization(name)
        self.folder = tmp_path / "air-gapped"
        self.site = None
        self.login(self.organization_id)

    def login(self, organization_id):
        """The courier, a person of this organization, logs in where there is a network."""
        number = next(self._numbers)
        form = InvitationForm(
            kind="user",
            organization_id=organization_id,
            name="Courier",
            email=f"courier{number}-{organization_id}@example.org",
        )
        token = self.federation.admin.invitations.issue(form).token
        profile = f"courier{number}-{organization_id}"
        self.medperf(
            "login",
            "--server",
            self.federation.server.url,
            "--invitation",
            token,
            "--name",
            profile,
        )
        return profile

    def medperf(self, *words, status=0):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            ended = run([*map(str, words), "--json"])
        assert ended == status, (words, out.getvalue(), err.getvalue())
        said = out.getvalue() if ended == 0 else err.getvalue().strip().splitlines()[-1]
        return json.loads(said)

    def file(self, suffix):
        return self.tmp_path / f"bundle{next(self._numbers)}{suffix}"

    def ask_to_enroll(self):
        form = InvitationForm(kind="site", organization_id=self.organization_id, name=self.name)
        token = self.federation.admin.invitations.issue(form).token
        key = self.federation.admin.info().log_key
        ask_to_enroll(self.folder, Enrolling(self.federation.server.url, key, token, self.name))
        out = self.file(".json")
        write_enrolling_results(SiteFolder(self.folder), out)
        return out

    def enroll(self, **settings):
        self.submit(self.ask_to_enroll())
        take_in_enrolling(SiteFolder(self.folder), self.work())
        self.site = TestSite(self.folder)
        self.site.set(**{"disk_reserve_bytes": 0} | settings)
        self.site.let(EVERYTHING)

    def results(self):
        out = self.file(".json")
        with self.site.opened() as site:
            site.write_results(out)
        return out

    def submit(self, file, **options):
        return self.medperf("bundle", "submit", file, **options)

    def work(self, *options, status=0):
        file = self.file(".zip")
        self.medperf("bundle", "work", file, "--site", self.name, *options, status=status)
        return file

    def take_in(self, file):
        with self.site.opened() as site:
            taken = site.take_in(file)
            site.agent().settle()
        return taken

    def go_around(self, *options):
        """Out with what the site says, in with what the server answers."""
        said = self.submit(self.results())
        self.take_in(self.work(*options))
        return said

    def states(self):
        with self.site.opened() as site:
            return [job.state for job in site.jobs.in_states()]

    def prepared(self, site, preparator, n_cases=10):
        """A dataset as a preparation leaves it."""
        local = site.datasets.add(
            f"{self.name} data",
            site.records.container(preparator.id),
            raw_data_path=site.folder.root,
            raw_labels_path=site.folder.root,
        )
        for folder, suffix in ((local.data_path, "image"), (local.labels_path, "label")):
            folder.mkdir(parents=True)
            for number in range(n_cases):
                (folder / f"case{number}.txt").write_text(f"{self.name} {suffix} {number}")
        for action in ("prepare", "finish"):
            site.datasets.act(local.number, action, actor="test")
        site.datasets.act(
            local.number,
            "pass",
            actor="test",
            fingerprint=fingerprint(local.roots).digest,
            n_cases=n_cases,
            statistics={"n_cases": n_cases},
            prepared_at=system_clock(),
        )
        return local

    def registration(self, site):
        return Registration(
            site.datasets,
            site.gate,
            site.client,
            site.records,
            site.signer,
            site_id=site.settings.site_id,
            cache=site.fingerprints,
        )


def take_part(hospital, federation):
    """From a folder to an association, over the air gap; the next bundle brings work."""
    hospital.enroll()
    benchmark = federation.benchmark
    hospital.take_in(hospital.work("--benchmark", benchmark.id))
    with hospital.site.opened() as site:
        local = hospital.prepared(site, federation.preparator)
        with pytest.raises(errors.AwaitingCourierError):
            hospital.registration(site).register(local.number, released_by="Ada", role="data owner")
    hospital.go_around("--benchmark", benchmark.id)
    with hospital.site.opened() as site:
        registration = hospital.registration(site)
        dataset = registration.register(local.number, released_by="Ada", role="data owner")
        with pytest.raises(errors.AwaitingCourierError):
            registration.submit(local.number)
        form = AssociationForm(
            benchmark_id=benchmark.id, kind="dataset", dataset_id=dataset.dataset_id
        )
        with pytest.raises(errors.AwaitingCourierError):
            site.gate.request_association(form, released_by="Ada", role="data owner")
    hospital.submit(hospital.results())
