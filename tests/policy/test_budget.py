import threading
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from policy import policy_world as world

from medperf.policy.actions import Action, Answer
from medperf.policy.budget import Use, UseKind, admit, count_uses
from medperf.policy.decision import Policy
from medperf.policy.facts import UseCounts
from medperf.policy.templates import Choice, compose

UNATTENDED = Choice("unattended-run", {"benchmarks": [1]})
MOST = {n: Policy(compose([UNATTENDED, Choice("most-per-model", {"most": n})])) for n in range(4)}


def use(job, **changes):
    return replace(Use.of(Action.RUN, world.FACTS, job), **changes)


OTHER = "sha256:" + "9" * 64


def test_the_same_container_under_another_name_is_the_same_model():
    lines = [use("job:1", model_id=9), use("job:2", model_id=9, kind=UseKind.RELEASE)]
    found = count_uses(lines, world.FACTS, job="job:3")
    assert (found.executions_of_model, found.releases_of_model) == (1, 1)


def test_a_line_from_before_digests_were_kept_counts_by_its_number():
    lines = [use("job:1", model_digest=""), use("job:2", model_id=9, model_digest="")]
    assert count_uses(lines, world.FACTS, job="job:3").executions_of_model == 1


class LedgerOfTest:
    """One ledger value; `start` is the transaction of a site."""

    def __init__(self):
        self.lines = []

    def start(self, policy, facts, job):
        decision, found = admit(policy, Action.RUN, facts, tuple(self.lines), job=job)
        if decision.answer is Answer.GO_AHEAD:
            self.lines.append(Use.of(Action.RUN, found, job))
        return decision.answer


def test_counts_are_those_of_the_same_dataset_each_job_once():
    lines = [
        use("job:1"),
        use("job:1"),  # the agent restarted
        use("job:2", model_id=9, model_digest=OTHER),
        use("job:3", model_id=9, model_digest=OTHER, model_owner_id=9, benchmark_id=9),
        use("job:4", fingerprint="sha256:" + "1" * 64),
        use("job:1", kind=UseKind.RELEASE),
        use("job:5"),
    ]
    assert count_uses(lines, world.FACTS, job="job:5") == UseCounts(
        executions=3,
        executions_of_model=1,
        executions_of_model_owner=2,
        executions_of_benchmark=2,
        models=2,
        releases=1,
        releases_of_model=1,
    )


steps = st.lists(
    st.tuples(
        st.sampled_from(["start", "again", "forecast"]),
        st.integers(1, 2),  # the model
        st.integers(-3_000, 3_000),  # where the clock stands, in seconds
        st.integers(0, 99),  # which earlier job is tried again
    ),
    max_size=25,
)


@settings(max_examples=40)
@given(st.integers(0, 3), steps)
def test_a_budget_is_never_exceeded_in_any_order_with_restarts_and_clock_changes(most, steps):
    ledger, jobs = LedgerOfTest(), []
    for kind, model_id, clock, choice in steps:
        facts = replace(
            world.FACTS,
            model=replace(world.FACTS.model, id=model_id),
            now=world.NOW + timedelta(seconds=clock),
            counts=UseCounts(executions_of_model=0),  # what an agent remembers is not believed
        )
        if kind == "again" and jobs:
            job, facts = jobs[choice % len(jobs)]
        else:
            job = f"job:{len(jobs)}"
            jobs.append((job, facts))
        if kind == "forecast":
            admit(MOST[most], Action.RUN, facts, tuple(ledger.lines), job=job)
        else:
            ledger.start(MOST[most], facts, job)
    for model_id in (1, 2):
        assert len({line.job for line in ledger.lines if line.model_id == model_id}) <= most


def test_racing_agents_share_one_budget():
    ledger, lock, answers = LedgerOfTest(), threading.Lock(), []

    def agent(name):
        for n in range(5):
            with lock:  # the transaction
                answers.append(ledger.start(MOST[3], world.FACTS, f"job:{name}-{n}"))

    threads = [threading.Thread(target=agent, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count(Answer.GO_AHEAD) == 3
    assert answers.count(Answer.DENY) == 27


def test_a_started_job_may_go_on_after_a_restart_though_the_budget_is_used_up():
    ledger = LedgerOfTest()
    assert ledger.start(MOST[1], world.FACTS, "job:1") is Answer.GO_AHEAD
    assert ledger.start(MOST[1], world.FACTS, "job:2") is Answer.DENY
    assert ledger.start(MOST[1], world.FACTS, "job:1") is Answer.GO_AHEAD


def test_setting_the_clock_back_revives_nothing():
    policy = Policy(compose([UNATTENDED, Choice("until", {"end": world.LATER.isoformat()})]))
    late = use("job:1", at=world.LATER)
    decision, found = admit(policy, Action.RUN, world.FACTS, [late], job="job:2")
    assert decision.answer is Answer.DENY
    assert found.now == world.LATER
    assert admit(policy, Action.RUN, world.FACTS, [], job="job:2")[0].answer is Answer.GO_AHEAD


def test_releases_have_a_budget_of_their_own():
    policy = Policy(compose([Choice("most-releases-per-model", {"most": 1})]))
    released = Use.of(Action.RELEASE, world.FACTS, "job:1")
    assert released.kind is UseKind.RELEASE
    lines = [use("job:1"), use("job:2"), released]
    decision, _ = admit(policy, Action.RELEASE, world.FACTS, lines[:2], job="job:2")
    assert decision.answer is Answer.ASK
    decision, _ = admit(policy, Action.RELEASE, world.FACTS, lines, job="job:2")
    assert decision.answer is Answer.DENY
