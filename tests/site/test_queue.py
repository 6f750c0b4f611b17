"""From offers to grants: what is refused, what waits and why, what is not offered any more."""

import random
from datetime import timedelta
from types import SimpleNamespace

import pytest
from hospital import EVALUATOR, MODEL, NOW, PREPARATOR, grant_verifier

from medperf.domain import errors
from medperf.domain.executions import Execution, GrantAnswer, Pair, Problem, Work, WorkItem
from medperf.policy.facts import IsolationFacts
from medperf.policy.templates import DEFAULT, compose
from medperf.provenance.envelope import sign
from medperf.provenance.keys import PrivateKey
from medperf.provenance.predicates import ExecutionInputs, GrantPredicate
from medperf.provenance.statements import make_statement
from medperf.site.events import site_log
from medperf.site.permission import Permission
from medperf.site.plans import ExecutionPlan
from medperf.site.policy_in_force import SitePolicy
from medperf.site.queue import Queue
from medperf.site.store import agreements, jobs, policies, rulings, uses
from medperf.site.store.connection import Store

DIGEST = "sha256:" + "a" * 64
SERVER_KEY = PrivateKey.from_seed(b"k" * 32)
SITE_KEY = PrivateKey.from_seed(b"s" * 32)
BENCHMARK = SimpleNamespace(id=1, digest=DIGEST, clinical_task="test", organization_id=9)
EVERYTHING = '@id("everything") permit (principal, action, resource);'


class Case:
    """A queue between a store and a server that answers as told."""

    def __init__(self, folder):
        self.now = NOW
        self.found = {}
        tables = (jobs, policies, uses, rulings, agreements)
        self.store = Store(folder / "store.db", [module.TABLES for module in tables])
        self.jobs = jobs.Jobs(self.store, lambda: self.now)
        self.policy = SitePolicy(
            folder / "policy.cedar", self.store, SITE_KEY, site_id=4, clock=lambda: self.now
        )
        self.policy.put_in_force(EVERYTHING)
        self.permission = Permission(
            self.store,
            self.policy,
            lambda _: IsolationFacts(runner="fake"),
            organization_id=3,
            clock=lambda: self.now,
        )
        self.answer = self.granted
        self.plan_error = None
        self.asked = []
        client = SimpleNamespace(executions=SimpleNamespace(request_grants=self.request))
        verifier = grant_verifier(folder / "log", SERVER_KEY, lambda: self.now)
        self.queue = Queue(
            client,
            self.store,
            self.jobs,
            self,
            verifier,
            self.permission,
            clock=lambda: self.now,
            rng=random.Random(1),
            log=site_log(strict=True),
        )

    def plan(self, benchmark_id, model_id, dataset_id):
        if self.plan_error is not None:
            raise self.plan_error
        pair = (benchmark_id, model_id, dataset_id)
        inputs = ExecutionInputs(
            benchmark_id=benchmark_id,
            benchmark_digest=DIGEST,
            dataset_id=dataset_id,
            dataset_fingerprint="blake3:" + "b" * 64,
            model_id=model_id,
            model_image_digest=MODEL.image_digest,
            evaluator_image_digest=EVALUATOR.image_digest,
            analysis_plan_digest=DIGEST,
        )
        model = SimpleNamespace(id=model_id, organization_id=8)
        self.found[pair] = ExecutionPlan(
            BENCHMARK, model, MODEL, EVALUATOR, SimpleNamespace(n_cases=30), inputs, PREPARATOR
        )
        return self.found[pair]

    def known(self, *pair):
        return self.found.get(pair)

    def request(self, pairs):
        self.asked.append(len(pairs))
        return tuple(self.answer(pair, number) for number, pair in enumerate(pairs, 5))

    def granted(self, pair, number, signer=SERVER_KEY, **changes):
        said = GrantPredicate.model_validate(
            self.plan(pair.benchmark_id, pair.model_id, pair.dataset_id).inputs.model_dump()
            | {
                "grant_id": number,
                "nonce": "n" * 20,
                "server": "Test",
                "site_id": 4,
                "site_key_id": "key",
                "issued_at": self.now,
                "expires_at": self.now + timedelta(days=1),
            }
            | changes
        )
        envelope = sign(make_statement(said.subjects(), said), signer)
        return GrantAnswer(
            pair=pair,
            execution=Execution.model_validate(
                pair.model_dump()
                | {
                    "id": number,
                    "site_id": 4,
                    "state": "granted",
                    "created_at": self.now,
                    "expires_at": self.now,
                }
            ),
            grant=envelope.model_dump(mode="json"),
        )

    def refused(self, pair, _):
        problem = Problem(code="not-operational", detail="not approved now")
        return GrantAnswer(pair=pair, problem=problem)

    def offer(self, *models):
        items = tuple(WorkItem(benchmark_id=1, model_id=m, dataset_id=3) for m in models)
        self.now += timedelta(seconds=1)
        self.queue.apply(Work(version=1, items=items), self.now)
        self.queue.look_up()
        self.queue.decide()

    def states(self):
        return [job.state for job in self.jobs.in_states()]


@pytest.fixture
def case(tmp_path):
    made = Case(tmp_path)
    yield made
    made.store.close()


def test_a_batch_of_grants_is_one_question(case):
    case.offer(1, 2, 3)
    assert case.queue.request_grants(10) == 3
    assert (case.asked, case.states()) == ([3], ["granted"] * 3)
    assert case.jobs.get(1).execution_id == 5


def test_no_more_is_asked_for_than_there_is_room(case):
    case.offer(1, 2, 3)
    assert case.queue.request_grants(2) == 2
    assert case.queue.request_grants(0) == 0
    assert case.states() == ["granted", "granted", "ready"]


def test_nothing_is_asked_when_nothing_is_ready(case):
    assert case.queue.request_grants(10) == 0
    assert case.asked == []


@pytest.mark.parametrize(
    "changes",
    [
        {"signer": PrivateKey.from_seed(b"x" * 32)},
        {"model_image_digest": DIGEST},
        {"grant_id": 99},
        {"site_id": 9},
    ],
)
def test_a_grant_that_does_not_hold_fails_the_job_and_the_server_hears_of_it(case, changes):
    case.answer = lambda pair, number: case.granted(pair, number, **changes)
    case.offer(1)
    assert case.queue.request_grants(10) == 0
    job = case.jobs.get(1)
    assert (job.state, job.execution_id, job.failure_owed) == ("failed", 5, True)


def test_a_grant_from_the_future_waits_for_the_clocks(case):
    later = case.now + timedelta(hours=1)
    case.answer = lambda pair, number: case.granted(
        pair, number, issued_at=later, expires_at=later + timedelta(days=1)
    )
    case.offer(1)
    case.queue.request_grants(10)
    job = case.jobs.get(1)
    assert (job.state, job.attempts) == ("ready", 1)
    assert "issued at" in job.waiting_for


def test_an_answer_that_is_no_grant_is_not_believed(case):
    case.answer = lambda pair, number: case.granted(pair, number).model_copy(
        update={"grant": {"payload": 3}}
    )
    case.offer(1)
    case.queue.request_grants(10)
    assert case.jobs.get(1).failure.code == "signature"


def test_a_refused_grant_of_offered_work_is_asked_for_again_later(case):
    case.answer = case.refused
    case.offer(1)
    case.queue.request_grants(10)
    job = case.jobs.get(1)
    assert (job.state, job.waiting_for) == ("ready", "a grant: not approved now")
    assert job.next_attempt_at > case.now
    assert case.queue.request_grants(10) == 0
    assert case.asked == [1]


def test_a_refused_grant_of_work_that_is_not_offered_any_more_cancels(case):
    case.answer = case.refused
    case.offer(1)
    case.offer()
    case.queue.request_grants(10)
    assert case.states() == ["cancelled"]
    assert case.jobs.history(1)[-1].reason == "not approved now"


def test_an_answer_without_grant_and_reason_is_a_refusal(case):
    case.answer = lambda pair, _: GrantAnswer(pair=pair)
    case.offer(1)
    case.queue.request_grants(10)
    assert "neither grant nor reason" in case.jobs.get(1).waiting_for


def test_a_dataset_that_is_not_on_this_machine_is_not_asked_for(case):
    case.offer(1)
    case.plan_error = errors.NotFoundError("dataset 3 is not on this machine")
    case.queue.request_grants(10)
    assert (case.asked, case.jobs.get(1).waiting_for) == (
        [],
        "a grant: dataset 3 is not on this machine",
    )


def test_nothing_is_decided_about_what_is_not_known_and_the_job_says_so(case):
    case.plan_error = errors.NotFoundError("dataset 3 is not on this machine")
    case.offer(1)
    assert case.states() == ["queued"]
    assert case.jobs.get(1).waiting_for == "its records: dataset 3 is not on this machine"
    assert case.queue.unknown(case.now) == []
    case.plan_error, case.now = None, case.now + timedelta(hours=1)
    case.queue.look_up()
    case.queue.decide()
    assert case.states() == ["ready"]


def test_a_record_that_does_not_have_its_digest_fails_the_job(case):
    case.offer(1)
    case.plan_error = errors.DigestMismatchError()
    case.queue.request_grants(10)
    job = case.jobs.get(1)
    assert (job.state, job.failure.code, job.failure_owed) == ("failed", "digest-mismatch", False)


def test_a_server_that_is_away_changes_nothing(case):
    case.offer(1)
    case.plan_error = errors.ServerUnreachableError()
    with pytest.raises(errors.UnavailableError):
        case.queue.request_grants(10)
    assert case.states() == ["ready"]


def test_what_is_not_offered_any_more_is_cancelled_before_it_runs(case):
    case.policy.put_in_force(compose(DEFAULT))
    items = (WorkItem(benchmark_id=1, model_id=1, dataset_id=3),)
    case.queue.apply(Work(version=1, items=items), case.now)
    case.queue.look_up()
    case.queue.decide()
    asked_before = case.now - timedelta(seconds=1)
    case.queue.apply(Work(version=2, items=()), asked_before)
    assert case.states() == ["waiting_to_run"]
    case.queue.apply(Work(version=3, items=()), case.now + timedelta(seconds=1))
    assert case.states() == ["cancelled"]


def test_revoked_executions_are_named_while_their_jobs_are_under_way(case):
    case.offer(1)
    case.queue.request_grants(10)
    work = Work(version=2, items=(), revoked=(5, 99))
    assert case.queue.apply(work, case.now) == [1]
    case.jobs.transition(1, "cancel")
    assert case.queue.apply(work, case.now) == []


def test_a_job_that_changed_meanwhile_keeps_its_state(case):
    case.offer(1)

    def answer(pair, number):
        case.jobs.transition(1, "cancel")
        return case.granted(pair, number)

    case.answer = answer
    assert case.queue.request_grants(10) == 0
    assert case.states() == ["cancelled"]


def test_a_renewed_grant_replaces_the_old_one_and_nothing_else(case):
    case.offer(1)
    case.queue.request_grants(10)
    case.answer = lambda pair, _: case.granted(pair, 6)
    case.queue.renew(case.jobs.get(1))
    job = case.jobs.get(1)
    assert (job.state, job.execution_id) == ("granted", 6)
    case.answer = case.refused
    with pytest.raises(errors.NotOperationalError):
        case.queue.renew(job)


def test_a_pair_is_benchmark_model_dataset(case):
    case.offer(2)
    seen = []
    case.answer = lambda pair, number: seen.append(pair) or case.granted(pair, number)
    case.queue.request_grants(1)
    assert seen == [Pair(benchmark_id=1, model_id=2, dataset_id=3)]
