"""What the site's policy says holds: under races, after restarts, whatever the clock does."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from hospital import EVALUATOR, MODEL, NOW
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from policy.policy_world import FACTS

from medperf.domain.errors import MalformedFileError, PolicyDeniedError
from medperf.policy.actions import Action, Answer
from medperf.policy.facts import ApprovalFacts, IsolationFacts
from medperf.policy.templates import DEFAULT, Choice, compose
from medperf.provenance.envelope import verify
from medperf.provenance.keys import PrivateKey
from medperf.provenance.predicates import Approval, PolicyPredicate
from medperf.provenance.statements import read_statement
from medperf.runners.fake import FakeRunner
from medperf.runners.selection import RunnerSet
from medperf.site.permission import Isolation, Permission, approvals_of, why
from medperf.site.policy_in_force import SitePolicy
from medperf.site.store import agreements, jobs, policies, rulings, uses
from medperf.site.store.connection import Store
from medperf.site.store.jobs import Decision

KEY = PrivateKey.from_seed(b"s" * 32)
EVERYTHING = '@id("everything") permit (principal, action, resource);'
TABLES = [module.TABLES for module in (jobs, policies, uses, rulings, agreements)]


def most(n):
    return EVERYTHING + compose([Choice("most-in-total", {"most": n})])


class Site:
    """One site's store and policy, opened as often as there are processes."""

    def __init__(self, folder):
        self.folder = folder
        self.now = NOW
        self.store = Store(folder / "store.db", TABLES)
        self.policy = SitePolicy(
            folder / "policy.cedar", self.store, KEY, site_id=4, clock=lambda: self.now
        )
        self.permission = Permission(
            self.store,
            self.policy,
            lambda _: IsolationFacts(runner="fake"),
            organization_id=3,
            clock=lambda: self.now,
        )

    def asked(self, job, action=Action.RUN, **changes):
        facts = replace(FACTS, now=self.now, **changes)
        return self.permission.decide(job, action, facts).answer

    def n_uses(self):
        return len(self.store.rows("SELECT * FROM uses"))


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def processes(tmp_path):
    """Three processes on one store."""
    made = [Site(tmp_path) for _ in range(3)]
    yield made
    for one in made:
        one.store.close()


@pytest.mark.parametrize("n", [0, 1, 5])
def test_however_many_race_no_more_start_than_the_budget_allows(processes, n):
    processes[0].policy.put_in_force(most(n))
    barrier = threading.Barrier(12)

    def race(number):
        barrier.wait()
        return [processes[number % 3].asked(job) for job in range(number * 4, number * 4 + 4)]

    with ThreadPoolExecutor(12) as pool:
        answers = [answer for found in pool.map(race, range(12)) for answer in found]
    assert answers.count(Answer.GO_AHEAD) == n == processes[0].n_uses()


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    starts=st.lists(
        st.tuples(st.integers(1, 9), st.integers(1, 3), st.integers(-900, 900)), max_size=25
    )
)
def test_budgets_hold_over_restarts_replays_and_a_clock_that_jumps(tmp_path_factory, starts):
    folder = tmp_path_factory.mktemp("site")
    limit = compose([Choice("most-per-model", {"most": 2})])
    models = {}
    for job, drawn, days in starts:
        site = Site(folder)  # each time a new process
        if site.policy.versions.latest() is None:
            site.policy.put_in_force(EVERYTHING + limit)
        site.now = NOW + timedelta(days=days)
        model = models.setdefault(job, (drawn, None))[0]  # a job stays of one model
        answer = site.asked(job, model=replace(FACTS.model, id=model))
        if answer is Answer.GO_AHEAD:
            models[job] = (model, job)
        site.store.close()
    going = [(model, job) for model, job in models.values() if job is not None]
    assert all(sum(one == model for one, _ in going) <= 2 for model, _ in going)


def test_a_policy_that_is_put_in_force_while_one_looks_is_the_one_or_the_other(processes):
    looking, changing, _ = processes
    changing.policy.put_in_force(most(1))
    latest = looking.policy.versions.latest

    def and_then_it_changes():
        looking.policy.versions.latest = latest
        found = latest()
        changing.policy.put_in_force(most(2))
        return found

    looking.policy.versions.latest = and_then_it_changes
    current = looking.policy.current()
    assert (current.problem, current.version) == ("", 2)


def test_a_job_that_starts_again_is_one_use(site):
    site.policy.put_in_force(most(1))
    assert [site.asked(7), site.asked(7), site.asked(8)] == [
        Answer.GO_AHEAD,
        Answer.GO_AHEAD,
        Answer.DENY,
    ]
    assert site.n_uses() == 1


def test_what_expired_stays_expired_when_the_clock_is_set_back(site):
    end = (NOW + timedelta(days=1)).isoformat()
    site.policy.put_in_force(EVERYTHING)
    site.now = NOW + timedelta(days=2)
    assert site.asked(1) is Answer.GO_AHEAD
    site.policy.put_in_force(EVERYTHING + compose([Choice("until", {"end": end})]))
    site.now = NOW
    assert site.asked(2) is Answer.DENY


def test_what_was_not_committed_was_not_used(site):
    site.policy.put_in_force(most(1))

    def killed():
        with site.store.transaction():
            site.asked(1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        killed()
    assert site.asked(2) is Answer.GO_AHEAD


def test_uses_rulings_and_policies_cannot_be_changed(site):
    site.policy.put_in_force(EVERYTHING)
    site.asked(1)
    for table in ("uses", "rulings", "policies"):
        for change in (f"DELETE FROM {table}", f"UPDATE {table} SET rowid = 9"):
            with (
                pytest.raises(sqlite3.IntegrityError, match="is kept"),
                site.store.transaction() as tx,
            ):
                tx.execute(change)
    assert site.n_uses() == 1


def test_a_site_without_a_policy_denies_everything_and_says_so(site):
    assert site.asked(1) is Answer.DENY
    ruling = site.permission.rulings.latest(1)
    assert ruling.errors == ("no policy was ever put in force",)
    assert ruling.policy_digest is None


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda path: path.unlink(), "policy.cedar is missing"),
        (lambda path: path.write_text(EVERYTHING + "\n"), "is not version 1"),
        (lambda path: path.write_bytes(b"\xff"), "cannot be read"),
        (lambda path: path.write_text(""), "is not version 1"),
    ],
)
def test_a_policy_that_changed_without_being_put_in_force_denies_everything(site, change, problem):
    site.policy.put_in_force(EVERYTHING)
    assert site.asked(1) is Answer.GO_AHEAD
    change(site.folder / "policy.cedar")
    assert problem in site.policy.current().problem
    assert site.asked(2) is Answer.DENY


def test_a_policy_with_faults_is_refused_and_changes_nothing(site):
    site.policy.put_in_force(EVERYTHING)
    with pytest.raises(MalformedFileError, match="line 2"):
        site.policy.put_in_force("\npermit (principal, action, resource);")
    assert site.asked(1) is Answer.GO_AHEAD


def test_each_version_is_a_signed_statement_that_names_the_one_before(site):
    person = Approval(name="Dr. Ada", role="data owner", at=NOW)
    first = site.policy.put_in_force(compose(DEFAULT))
    second = site.policy.put_in_force(EVERYTHING, (person,))
    assert site.policy.put_in_force(EVERYTHING).version == 2
    said = read_statement(verify(second.envelope, {KEY.key_id: KEY.public}), PolicyPredicate)
    assert said.subjects == {"policy": second.digest}
    assert said.predicate.supersedes_digest == first.digest
    assert (said.predicate.site_id, said.predicate.approved_by) == (4, (person,))
    assert [one.version for one in site.policy.versions.all()] == [1, 2]
    assert site.policy.versions.text_of(first.digest) == compose(DEFAULT)
    assert site.policy.versions.text_of("sha256:0") is None


def test_the_default_asks_a_person_for_everything_and_is_made_once(site):
    site.policy.begin()
    site.policy.begin()
    assert site.policy.current().version == 1
    assert site.asked(1) is site.asked(1, Action.RELEASE) is Answer.ASK
    assert site.asked(1, approvals=ApprovalFacts(n=1)) is Answer.GO_AHEAD


def test_a_decision_is_kept_when_it_says_something_new(site):
    site.policy.begin()
    site.asked(1)
    site.now += timedelta(hours=1)
    site.asked(1)
    site.asked(1, approvals=ApprovalFacts(n=1))
    assert [ruling.answer for ruling in site.permission.rulings.all()] == [
        Answer.ASK,
        Answer.GO_AHEAD,
    ]


def test_a_policy_that_became_stricter_stops_what_was_let_go(site):
    site.policy.put_in_force(EVERYTHING)
    assert site.asked(1) is Answer.GO_AHEAD
    facts = site.permission.kept_facts(1, Action.RUN, ApprovalFacts())
    site.permission.demand(1, Action.RUN, facts)
    site.policy.put_in_force(compose(DEFAULT))
    with pytest.raises(PolicyDeniedError, match="asks for a person"):
        site.permission.demand(1, Action.RUN, facts)


def test_nothing_is_released_that_the_policy_was_never_asked_about(site):
    with pytest.raises(PolicyDeniedError, match="never asked"):
        site.permission.kept_facts(1, Action.RELEASE, ApprovalFacts())


def test_a_denial_that_came_later_is_found_and_not_kept(site):
    site.policy.put_in_force(EVERYTHING)
    assert site.permission.denial_now(1, Action.RUN) is None
    assert site.asked(1) is Answer.GO_AHEAD
    assert site.permission.denial_now(1, Action.RUN) is None
    (site.folder / "policy.cedar").unlink()
    decision, _ = site.permission.denial_now(1, Action.RUN)
    assert decision.answer is Answer.DENY
    assert site.permission.rulings.latest(1, Action.RUN).answer is Answer.GO_AHEAD
    assert site.asked(1) is Answer.DENY
    assert site.permission.denial_now(1, Action.RUN) is None


def test_a_forecast_uses_nothing_up(site):
    site.policy.put_in_force(most(1))
    facts = replace(FACTS, now=NOW)
    assert site.permission.forecast(1, Action.RUN, facts).answer is Answer.GO_AHEAD
    assert (site.n_uses(), site.permission.rulings.latest(1)) == (0, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('@id("a") permit (principal, action == Action::"release", resource);', "no rule permits"),
        (EVERYTHING + '@id("no") forbid (principal, action, resource);', r"forbids it \(no\)"),
        (
            EVERYTHING + '@id("no") @reason("Not now.") forbid (principal, action, resource);',
            r"\(no: Not now\.\)",
        ),
        (compose(DEFAULT), "asks for a person"),
    ],
)
def test_a_refusal_says_why(site, text, said):
    site.policy.put_in_force(text)
    with pytest.raises(PolicyDeniedError, match=said):
        site.permission.demand(1, Action.RUN, replace(FACTS, now=NOW))


def test_a_refusal_without_a_policy_says_what_is_wrong(site):
    decision = site.permission.forecast(1, Action.RUN, FACTS)
    assert "cannot decide: no policy" in why(decision)


def test_isolation_is_what_the_runner_claims_and_nothing_where_none_works():
    runner = FakeRunner()
    assert Isolation(RunnerSet([runner]), None)(MODEL).runner == runner.name
    runner.is_available = False
    found = Isolation(RunnerSet([runner]), None)(EVALUATOR)
    assert (found.runner, found.has_network, found.is_root) == ("none", True, True)


def test_people_are_counted_once_however_their_names_are_written():
    first = Decision("run", "approved", "Dr. Ada", "checker", NOW)
    both = Decision("release", "approved", "dr.  ada", "checker", NOW, others=(first,))
    assert approvals_of(both, first) == ApprovalFacts(n=1, includes_starter=True)
    assert approvals_of(replace(both, answer="allow")) == ApprovalFacts()
    assert approvals_of(None) == ApprovalFacts()
