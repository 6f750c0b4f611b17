"""The agent: an unattended loop that fetches work, decides, executes, checks and reports.

Three kinds of threads share one store. The *listener* holds a long poll at the server and hears of
work and revocations. The *talker* asks for grants and reports failures, one after the other. The
*workers* carry jobs on, as many at once as the site's resources allow. The loop itself never talks
to the server, so it answers people and signals at once however slow the network is.

Killed at any point, the next agent finds every job in the state it was stored in and carries on.
"""

import random
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from medperf.client.api import ServerClient
from medperf.client.log_watch import LogWatch
from medperf.domain import errors
from medperf.domain.clock import Clock
from medperf.domain.container_records import Container
from medperf.domain.executions import Work
from medperf.domain.identifiers import format_time
from medperf.site.agreement_watch import AgreementWatch
from medperf.site.backoff import backoff
from medperf.site.disk import require_space
from medperf.site.evaluation import Evaluation
from medperf.site.execution import HEAVY, LIGHT, Execution, Held
from medperf.site.folder import SiteFolder
from medperf.site.gate import Gate
from medperf.site.link import Link
from medperf.site.plans import Planner
from medperf.site.policy_reports import PolicyReports
from medperf.site.queue import Queue
from medperf.site.resources import Capacity, Resources, Share, demand_of
from medperf.site.retention import Retention
from medperf.site.settings import Settings
from medperf.site.store.connection import Store
from medperf.site.store.jobs import Agenda, Job, Jobs
from medperf.site.store.leases import Lease
from medperf.site.store.outputs import Outputs

POLL_WAIT_S = 25.0
TICK_S = 0.2
HEARTBEAT_S = 10.0
PRUNE_S = 3600.0
AHEAD_PER_WORKER = 16
"""How many granted jobs may be in hand; a grant lasts a day, and a batch saves round trips."""

LONG_STEP_S = 2.0
"""A step that runs longer is announced to the server, which then shows the execution as running."""


@dataclass(frozen=True, slots=True)
class AgentParts:
    """Everything an agent works with; `medperf.site.app` puts it together."""

    folder: SiteFolder
    store: Store
    jobs: Jobs
    outputs: Outputs
    planner: Planner
    queue: Queue
    evaluation: Evaluation
    gate: Gate
    link: Link
    log_watch: LogWatch
    agreements: AgreementWatch
    policy_reports: PolicyReports
    resources: Resources
    execution: Execution
    retention: Retention
    client: ServerClient
    settings: Callable[[], Settings]
    clock: Clock
    rng: random.Random
    log: Any


@dataclass(slots=True)
class _Talk:
    """When the talker may ask again, and how often it failed so far."""

    attempts: int = 0
    next_at: datetime | None = None
    announced: set[int] = field(default_factory=set)


class Agent:
    """One site's agent. `run` until stopped, or `settle` what can be done now."""

    def __init__(self, parts: AgentParts) -> None:
        self._parts = parts
        self._lease = Lease(parts.store, parts.folder.lock, parts.clock)
        self._held: dict[int, Held] = {}
        self._began: dict[int, datetime] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._work: tuple[Work, datetime] | None = None
        self._heard_version = -1
        self._talking: Future[None] | None = None
        self._talk = _Talk()
        self._beat_at: datetime | None = None
        self._pruned_at: datetime | None = None

    def run(self, stop: threading.Event, *, poll_wait_s: float = POLL_WAIT_S) -> None:
        """Work until ``stop`` is set; then stop running steps and leave everything resumable.

        Raises:
            StoreLockedError: another agent works on this store.
        """
        with self._session() as pools:
            listener = threading.Thread(
                target=self._listen, args=(poll_wait_s,), name="listener", daemon=True
            )
            listener.start()
            while not stop.is_set():
                self._tick(*pools)
                self._wake.wait(TICK_S)
                self._wake.clear()

    def settle(self) -> None:
        """Fetch work once and do everything that needs neither a person nor another attempt.

        Raises:
            StoreLockedError: another agent works on this store.
            UnavailableError: the server is away.
        """
        with self._session() as pools:
            while True:
                before = self._parts.jobs.counts()
                self._hear(self._parts.client, 0.0)
                while self._tick(*pools):
                    self._wake.wait(TICK_S)
                    self._wake.clear()
                if self._parts.jobs.counts() == before:
                    return

    def wake(self) -> None:
        """Look at the store now instead of in a moment."""
        self._wake.set()

    # --- the session around the loop ---

    @contextmanager
    def _session(self) -> Iterator[tuple[ThreadPoolExecutor, ThreadPoolExecutor]]:
        with self._lease:
            self._stopping.clear()
            self._recover()
            workers = ThreadPoolExecutor(self._parts.settings().workers + 4, "worker")
            talker = ThreadPoolExecutor(1, "talker")
            try:
                yield workers, talker
            finally:
                self._stopping.set()
                with self._lock:
                    for held in self._held.values():
                        held.cancel.set()
                workers.shutdown(cancel_futures=True)
                talker.shutdown(cancel_futures=True)
                self._held.clear()
                self._parts.log.info("agent_stopped")

    def _recover(self) -> None:
        parts = self._parts
        containers: dict[tuple[int, str], Container | None] = {}
        for record in parts.outputs.interrupted():
            job = parts.jobs.get(record.job)
            with suppress(errors.MedPerfError):
                plan = parts.planner.plan(*job.pair)
                is_model = record.task == "infer"
                containers[record.job, record.task] = (
                    plan.model_container if is_model else plan.evaluator
                )
        with suppress(errors.SandboxUnavailableError):
            parts.evaluation.recover(containers)
        parts.log.info("agent_started", count=len(containers))

    # --- one turn of the loop ---

    def _tick(self, workers: ThreadPoolExecutor, talker: ThreadPoolExecutor) -> bool:
        """Do what can be done; answers whether anything is under way or was started."""
        try:
            self._beat()
            settings = self._parts.settings()
            self._parts.resources.adjust(Capacity.of(settings))
            agenda = self._parts.jobs.agenda(self._parts.clock())
            if agenda.queued:
                self._parts.queue.decide()
                agenda = self._parts.jobs.agenda(self._parts.clock())
            self._stop_ended_jobs()
            self._prune(workers)
            talks = self._start_talking(talker, agenda)
            started = self._dispatch(settings, workers)
        except errors.TransitionError:
            return True  # a person or the talker was quicker; look again
        except errors.MedPerfError as error:
            self._parts.log.warning("turn_failed", code=error.code)
            return False
        with self._lock:
            return talks or started or bool(self._held)

    def _beat(self) -> None:
        now = self._parts.clock()
        if self._beat_at is None or now - self._beat_at >= timedelta(seconds=HEARTBEAT_S):
            self._lease.beat()
            self._beat_at = now

    def _prune(self, workers: ThreadPoolExecutor) -> None:
        """Delete what is not needed any more, now and then."""
        now = self._parts.clock()
        if self._pruned_at is None or now - self._pruned_at >= timedelta(seconds=PRUNE_S):
            self._pruned_at = now
            workers.submit(self._prune_now)

    def _prune_now(self) -> None:
        try:
            self._parts.retention.prune()
        except (errors.MedPerfError, OSError) as error:
            code = error.code if isinstance(error, errors.MedPerfError) else "error"
            self._parts.log.warning("pruning_failed", code=code)

    def _stop_ended_jobs(self) -> None:
        """A person may have cancelled a job from another process."""
        if not self._held or not self._parts.store.changed_elsewhere():
            return
        for held in list(self._held.values()):
            if self._parts.jobs.get(held.number).is_final:
                held.cancel.set()

    def _dispatch(self, settings: Settings, workers: ThreadPoolExecutor) -> bool:
        now = self._parts.clock()
        waiting: dict[int, str] = {}
        started = False
        lack_of_space = self._lack_of_space(settings)
        with self._lock:
            under_way = set(self._held)
        # Read afterwards, so that of a job that a worker gives back meanwhile nothing old is known.
        for job in self._parts.jobs.in_states(*HEAVY, *LIGHT):
            if job.number in under_way or (job.next_attempt_at and job.next_attempt_at > now):
                continue
            share: Share | None = None
            if job.state in HEAVY:
                taken = lack_of_space or self._take_share(job, settings)
                if isinstance(taken, str):
                    waiting[job.number] = taken
                    continue
                share = taken
            held = Held(job.number, threading.Event(), share)
            with self._lock:
                self._held[job.number] = held
                self._began[job.number] = now
            workers.submit(self._carry, held)
            started = True
        self._parts.jobs.explain(waiting)
        return started

    def _take_share(self, job: Job, settings: Settings) -> Share | str:
        try:
            plan = self._parts.planner.plan(*job.pair)
        except errors.MedPerfError as error:
            return f"its records: {error.detail}"
        capacity = self._parts.resources.capacity
        demand = demand_of(settings, capacity, plan.model_container, plan.evaluator)
        return self._parts.resources.take(demand)

    def _lack_of_space(self, settings: Settings) -> str:
        try:
            require_space(self._parts.folder.root, reserve_bytes=settings.disk_reserve_bytes)
        except errors.DiskFullError as error:
            return f"disk space: {error.detail}"
        return ""

    def _carry(self, held: Held) -> None:
        try:
            self._parts.execution.carry(held)
        finally:
            with self._lock:
                self._held.pop(held.number, None)
                self._began.pop(held.number, None)
                self._talk.announced.discard(held.number)
            self._wake.set()

    # --- the talker ---

    def _start_talking(self, talker: ThreadPoolExecutor, agenda: Agenda) -> bool:
        if self._talking is not None:
            if not self._talking.done():
                return True
            failure, self._talking = self._talking.exception(), None
            if failure is not None:
                raise failure
            self._wake.set()  # what was found out may have something decided: look again at once
            return True
        now = self._parts.clock()
        if self._talk.next_at is not None and now < self._talk.next_at and self._work is None:
            return False
        if not self._has_something_to_say(agenda, now):
            return False
        self._talking = talker.submit(self._say)
        self._talking.add_done_callback(lambda _: self._wake.set())
        return True

    def _has_something_to_say(self, agenda: Agenda, now: datetime) -> bool:
        return (
            self._work is not None
            or (agenda.queued > 0 and bool(self._parts.queue.unknown(now)))
            or (agenda.ready > 0 and self._room(agenda) > 0)
            or agenda.owed > 0
            or bool(self._unannounced(now))
        )

    def _say(self) -> None:
        try:
            self._take_in_work()
            self._parts.queue.look_up()
            agenda = self._parts.jobs.agenda(self._parts.clock())
            self._parts.queue.request_grants(self._room(agenda))
            awaits = self._report_failures()
            self._announce()
        except (errors.UnavailableError, errors.UnauthenticatedError) as error:
            self._talk.attempts += 1
            wait = backoff(self._talk.attempts, self._parts.rng)
            self._talk.next_at = self._parts.clock() + wait
            self._parts.link.lost(error.detail)
            self._explain_silence(error)
        except Exception as error:  # noqa: BLE001  one strange answer must not end running steps
            self._parts.log.warning("talk_failed", code=errors.as_ours(error).code)
            self._talk.next_at = self._parts.clock() + backoff(3, self._parts.rng)
        else:
            self._talk.attempts, self._talk.next_at = 0, None
            if awaits:
                self._talk.next_at = self._parts.clock() + backoff(3, self._parts.rng)

    def _report_failures(self) -> bool:
        """Report what is owed; answers whether something of it waits for a courier."""
        awaits = False
        for job in self._parts.jobs.owing_failures():
            try:
                self._parts.gate.report_failure(job)
            except errors.AwaitingCourierError:
                awaits = True  # said, and owed until the answer is brought
            else:
                self._parts.jobs.remember(
                    job.number, failure_owed=0, changed_at=format_time(self._parts.clock())
                )
        return awaits

    def _explain_silence(self, error: errors.MedPerfError) -> None:
        since = self._parts.link.away_since
        when = f" since {format_time(since)[:19]}Z" if since else ""
        reason = f"the server, away{when}: {error.detail}"
        waiting = self._parts.jobs.in_states("ready")
        waiting += self._parts.queue.unknown(self._parts.clock())
        self._parts.jobs.explain({job.number: reason for job in waiting})

    def _take_in_work(self) -> None:
        with self._lock:
            heard, self._work = self._work, None
        if heard is None:
            return
        try:
            # First, so that an agreement that ended is known when its work is decided about.
            self._parts.agreements.refresh(heard[0].agreements_version)
        finally:
            self._apply(*heard)
        with suppress(errors.AwaitingCourierError):  # said, and sent with the next results bundle
            self._parts.policy_reports.send()

    def _apply(self, work: Work, asked_at: datetime) -> None:
        for number in self._parts.queue.apply(work, asked_at):
            if not self._revoke(number):
                with suppress(errors.TransitionError):
                    reason = "the server revoked it"
                    self._parts.jobs.transition(number, "cancel", actor="server", reason=reason)
                self._revoke(number)  # a worker may have taken it up just before

    def _revoke(self, number: int) -> bool:
        """Stop a job that is under way; answers whether it is."""
        with self._lock:
            held = self._held.get(number)
            if held is not None:
                held.is_revoked = True
                held.cancel.set()
            return held is not None

    def _room(self, agenda: Agenda) -> int:
        ahead = self._parts.resources.capacity.workers * AHEAD_PER_WORKER
        return max(0, ahead - agenda.heavy)

    def _unannounced(self, now: datetime) -> list[int]:
        long_ago = now - timedelta(seconds=LONG_STEP_S)
        with self._lock:
            return [
                number
                for number, began in self._began.items()
                if began < long_ago
                and number not in self._talk.announced
                and self._held[number].share is not None
            ]

    def _announce(self) -> None:
        for number in self._unannounced(self._parts.clock()):
            self._talk.announced.add(number)
            execution_id = self._parts.jobs.get(number).execution_id
            if execution_id is not None:
                # Only a courtesy: a server that refuses it says so again when it matters.
                with suppress(
                    errors.ConflictError, errors.NotFoundError, errors.AwaitingCourierError
                ):
                    self._parts.client.executions.act(execution_id, "start")

    # --- the listener ---

    def _listen(self, poll_wait_s: float) -> None:
        # Nobody waits for its long poll to end, so nobody else can close its connection.
        with closing(self._parts.client.beside()) as client:
            self._listen_with(client, poll_wait_s)

    def _listen_with(self, client: ServerClient, poll_wait_s: float) -> None:
        attempts, after = 0, -1
        while not self._stopping.is_set():
            try:
                is_news = self._hear(client, poll_wait_s, after)
            except Exception as error:  # noqa: BLE001  deaf, an agent would still look alive
                if self._stopping.is_set():
                    return  # its store was closed under it
                attempts += 1
                self._miss(errors.as_ours(error))
                self._stopping.wait(backoff(attempts, self._parts.rng).total_seconds())
            else:
                after, attempts = self._heard_version, 0
                # The version moves with every result of everybody; hearing it each time would
                # make a busy federation's agents ask all the time.
                self._stopping.wait(0.25 if is_news else 1.0)

    def _miss(self, error: errors.MedPerfError) -> None:
        with suppress(Exception):  # the store may be what is in trouble, or closed by now
            if self._parts.link.lost(error.detail):
                self._parts.log.warning("server_lost", code=error.code)

    def _hear(self, client: ServerClient, poll_wait_s: float, after: int = -1) -> bool:
        asked_at = self._parts.clock()
        self._parts.log_watch.demand(client.transport)
        work = client.executions.work(after=after, wait_s=poll_wait_s)
        if self._stopping.is_set():
            return False
        if self._parts.link.heard():
            self._parts.log.info("server_found")
            self._parts.jobs.hurry()
            self._talk.next_at = None
        self._heard_version = work.version
        with self._lock:
            self._work = (work, asked_at)
        self._wake.set()
        return bool(work.items or work.revoked)


@contextmanager
def stop_on_signals(stop: threading.Event) -> Iterator[None]:
    """Set ``stop`` on the first SIGINT or SIGTERM; a second one ends the process as usual."""
    before: dict[signal.Signals, Any] = {}

    def heard(number: int, _: object) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for name in (signal.SIGINT, signal.SIGTERM):
        before[name] = signal.signal(name, heard)
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
