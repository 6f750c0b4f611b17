"""Puts a site together: the one place that knows how its parts are built.

The command line, pages and the agent all start here::

    with open_site(folder) as site:
        site.status()                      # how it is, without asking the server
        site.review.inbox()                # what waits for a person
        site.review.approve(3, site.person(), digest=shown)
        site.agent().run(stop)             # until `stop` is set
        site.policy.put_in_force(text)

`enrollment.enroll` makes the folder.
"""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from medperf.client.api import ServerClient
from medperf.client.carrying import ResultsBundle
from medperf.client.key_file import read_key_file
from medperf.client.log_watch import LogWatch
from medperf.client.offline import offline_client
from medperf.client.transport import SiteCredential
from medperf.domain.clock import Clock, system_clock
from medperf.provenance.keys import PrivateKey
from medperf.runners.selection import RunnerSet, standard_runners
from medperf.site import link, policy_reports, records
from medperf.site.acting import Person, acting_person
from medperf.site.agent import Agent, AgentParts
from medperf.site.agreement_watch import AgreementWatch
from medperf.site.assets import Assets, Fetcher
from medperf.site.bootstrap_secret import read_secret
from medperf.site.case_statistics import CaseStatistics
from medperf.site.evaluation import Evaluation
from medperf.site.events import site_log
from medperf.site.execution import Execution, Moment
from medperf.site.fingerprint_cache import FingerprintCache
from medperf.site.folder import SiteFolder
from medperf.site.gate import Gate
from medperf.site.grants import GrantVerifier
from medperf.site.intake import CarriedFiles, TakenIn, take_in
from medperf.site.link import Link
from medperf.site.offline import OfflineServer
from medperf.site.outgoing import write_results_bundle
from medperf.site.permission import Isolation, Permission
from medperf.site.plans import Planner
from medperf.site.policy_in_force import SitePolicy
from medperf.site.policy_reports import PolicyReports
from medperf.site.queue import Queue
from medperf.site.records import Records
from medperf.site.resources import Capacity, Resources
from medperf.site.retention import Retention
from medperf.site.review import Review
from medperf.site.screening import Screening
from medperf.site.settings import Settings, SettingsFile
from medperf.site.status import SiteStatus, site_status
from medperf.site.steps import Steps
from medperf.site.store import (
    agreements,
    datasets,
    disclosures,
    jobs,
    leases,
    ledger,
    mailbox,
    outputs,
    policies,
    rulings,
    uses,
    votes,
)
from medperf.site.store.agreements import Agreements
from medperf.site.store.connection import Store
from medperf.site.store.datasets import Datasets
from medperf.site.store.jobs import Jobs
from medperf.site.store.ledger import Ledger
from medperf.site.store.mailbox import Mailbox
from medperf.site.store.outputs import Outputs

COMPONENTS = (
    jobs.TABLES,
    outputs.TABLES,
    ledger.TABLES,
    leases.TABLES,
    link.TABLES,
    records.TABLES,
    datasets.TABLES,
    policies.TABLES,
    uses.TABLES,
    agreements.TABLES,
    policy_reports.TABLES,
    rulings.TABLES,
    votes.TABLES,
    mailbox.TABLES,
    disclosures.TABLES,
)
"""Every table of a site's store."""


@dataclass(slots=True)
class Site:
    """An open site. Close it when done, or use it in a ``with``."""

    folder: SiteFolder
    clock: Clock
    log: Any
    signer: PrivateKey
    store: Store
    client: ServerClient
    jobs: Jobs
    outputs: Outputs
    ledger: Ledger
    datasets: Datasets
    records: Records
    assets: Assets
    runners: RunnerSet
    steps: Steps
    fingerprints: FingerprintCache
    planner: Planner
    evaluation: Evaluation
    gate: Gate
    screening: Screening
    policy: SitePolicy
    permission: Permission
    review: Review
    link: Link
    log_watch: LogWatch
    agreements: Agreements
    agreement_watch: AgreementWatch
    mailbox: Mailbox
    _settings: SettingsFile
    _verifier: GrantVerifier
    _rng: random.Random
    _at: Moment

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def settings(self) -> Settings:
        """What ``site.yaml`` says now."""
        return self._settings.current()

    def person(self, name: str | None = None, role: str | None = None) -> Person:
        """Who acts here now: the operating system's user, or a name listed for that user.

        Raises:
            ForbiddenError: the name is not listed for the user.
        """
        return acting_person(self.settings.people, name=name, role=role)

    def status(self) -> SiteStatus:
        """How the site is; asks nothing of the server."""
        return site_status(
            self.folder,
            self.settings,
            self.store,
            self.jobs,
            self.link,
            self.records,
            self.datasets,
            self.policy,
        )

    @property
    def retention(self) -> Retention:
        """What is kept on this machine, and for how long."""
        return Retention(
            self.folder,
            self.store,
            self.jobs,
            self.outputs,
            self.datasets,
            self.planner,
            self._settings.current,
            self.clock,
            self.log,
        )

    def agent(self) -> Agent:
        """This site's agent, not yet started."""
        queue = Queue(
            self.client,
            self.store,
            self.jobs,
            self.planner,
            self._verifier,
            self.permission,
            clock=self.clock,
            rng=self._rng,
            log=self.log,
        )
        resources = Resources(Capacity.of(self.settings))
        execution = Execution(
            self.store,
            self.jobs,
            self.outputs,
            self.planner,
            queue,
            self.evaluation,
            self.gate,
            self.permission,
            resources,
            settings=self._settings.current,
            clock=self.clock,
            rng=self._rng,
            log=self.log,
            at=self._at,
        )
        return Agent(
            AgentParts(
                folder=self.folder,
                store=self.store,
                jobs=self.jobs,
                outputs=self.outputs,
                planner=self.planner,
                queue=queue,
                evaluation=self.evaluation,
                gate=self.gate,
                link=self.link,
                log_watch=self.log_watch,
                agreements=self.agreement_watch,
                policy_reports=PolicyReports(self.store, self.client, self.log),
                resources=resources,
                execution=execution,
                retention=self.retention,
                client=self.client,
                settings=self._settings.current,
                clock=self.clock,
                rng=self._rng,
                log=self.log,
            )
        )

    def take_in(self, file: Path) -> TakenIn:
        """Take in a work bundle; the agent, running or next, works on what it brought.

        Raises:
            MedPerfError: as `medperf.site.intake.take_in`; nothing was taken in then.
        """
        taken = take_in(
            file,
            self.mailbox,
            self.folder.carried,
            log_watch=self.log_watch,
            site_key_id=self.signer.key_id,
        )
        self.jobs.hurry()
        return taken

    def write_results(self, file: Path) -> ResultsBundle:
        """Write what waits for a courier to a new file.

        Raises:
            ConflictError: the file exists.
        """
        return write_results_bundle(
            file,
            self.mailbox,
            self.signer,
            server=self.settings.server,
            log_key=self.log_watch.keys.current,
            seen=self.log_watch.seen,
            ledger=self.ledger,
            clock=self.clock,
        )

    def close(self) -> None:
        """Close the store and the connections."""
        self.client.close()
        self.store.close()


def open_site(
    folder: Path,
    *,
    clock: Clock = system_clock,
    runners: RunnerSet | None = None,
    client: ServerClient | None = None,
    fetcher: Fetcher | None = None,
    allow_local: bool = False,
    log: Any = None,
    rng: random.Random | None = None,
    at: Moment | None = None,
) -> Site:
    """Open the site that lives in ``folder``.

    Args:
        folder: what `enrollment.enroll` made.
        clock: the time.
        runners: the machine's own unless given.
        client: one for the settings' server and the folder's key unless given.
        fetcher: how addresses are downloaded; the client's downloader unless given.
        allow_local: whether registered files may be paths on this machine (tests and demo).
        log: a structlog logger; JSON lines on stderr unless given.
        rng: jitter.
        at: told each point at which the agent may be killed; for tests.

    Raises:
        NotFoundError: there is no site in the folder.
        MalformedFileError: ``site.yaml`` cannot be read; the message names the line.
        ConflictError: others may read the key, or the store is of a newer program.
    """
    place = SiteFolder(folder.absolute())
    place.require()
    settings_file = SettingsFile(place.settings)
    settings = settings_file.current()
    signer = read_key_file(place.key)
    runners = runners or standard_runners(
        place.work / "runners", clock=clock, allow_bare=settings.allow_bare
    )
    runner_name = None if settings.runner == "auto" else settings.runner
    store = Store(place.store, COMPONENTS)
    mailbox_ = Mailbox(store, clock)
    credential = SiteCredential(signer, clock)
    if settings.air_gapped:
        answer = OfflineServer(mailbox_, clock).answer
        client = client or offline_client(settings.server, credential, answer)
        fetcher = fetcher or CarriedFiles(place.carried)
    client = client or ServerClient(settings.server, credential)
    outputs_ = Outputs(store, clock)
    ledger_ = Ledger(store, clock)
    jobs_ = Jobs(store, clock)
    datasets_ = Datasets(store, place.datasets, clock)
    records_ = Records(client, store)
    assets = Assets(
        place.assets,
        fetcher=fetcher,
        allow_local=allow_local or settings.allow_local,
        reserve_bytes=settings.disk_reserve_bytes,
    )
    steps = Steps(
        runners,
        assets,
        place.work / "steps",
        runner_name=runner_name,
        reserve_bytes=settings.disk_reserve_bytes,
    )
    fingerprints = FingerprintCache(place.root / "fingerprints.db", clock)
    planner = Planner(records_, datasets_)
    log_watch = LogWatch(place.log, settings.log_key)
    agreements_ = Agreements(store)
    log = log or site_log()
    screening = Screening(store, clock, settings_file.current)
    gate = Gate(
        client,
        signer,
        ledger_,
        outputs_,
        screening,
        site_id=settings.site_id,
        clock=clock,
        statistics=CaseStatistics(lambda: read_secret(place.bootstrap_secret)),
        log_watch=log_watch,
    )
    policy = SitePolicy(place.policy, store, signer, site_id=settings.site_id, clock=clock)
    permission = Permission(
        store,
        policy,
        Isolation(runners, runner_name),
        organization_id=settings.organization_id,
        clock=clock,
    )
    return Site(
        folder=place,
        clock=clock,
        log=log,
        signer=signer,
        store=store,
        client=client,
        jobs=jobs_,
        outputs=outputs_,
        ledger=ledger_,
        datasets=datasets_,
        records=records_,
        assets=assets,
        runners=runners,
        steps=steps,
        fingerprints=fingerprints,
        planner=planner,
        evaluation=Evaluation(place, outputs_, steps, fingerprints),
        gate=gate,
        screening=screening,
        policy=policy,
        permission=permission,
        review=Review(store, jobs_, planner, gate, permission, client, clock),
        link=Link(store, clock),
        log_watch=log_watch,
        agreements=agreements_,
        agreement_watch=AgreementWatch(client, agreements_, log_watch, clock=clock, log=log),
        mailbox=mailbox_,
        _settings=settings_file,
        _verifier=GrantVerifier(
            log_watch,
            client.transport,
            settings.site_id,
            signer.key_id,
            clock,
        ),
        _rng=rng or random.Random(),  # noqa: S311  (jitter)
        _at=at or _pass,
    )


def _pass(_: str) -> None:
    """A point like any other."""
