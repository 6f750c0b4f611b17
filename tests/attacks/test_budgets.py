"""Attacks on budgets: by many agents at once, restarts, clocks, and grants played again."""

import multiprocessing
from dataclasses import replace
from datetime import timedelta

from hospital import NOW
from policy.policy_world import FACTS

from medperf.policy.actions import Action, Answer
from medperf.policy.facts import IsolationFacts
from medperf.policy.templates import Choice, compose
from medperf.provenance.keys import PrivateKey
from medperf.site.permission import Permission
from medperf.site.policy_in_force import SitePolicy
from medperf.site.store import agreements, jobs, policies, rulings, uses
from medperf.site.store.connection import Store

TABLES = [module.TABLES for module in (jobs, policies, uses, rulings, agreements)]
EVERYTHING = '@id("everything") permit (principal, action, resource);'
MOST = 3


def site(folder, now=NOW):
    """A fresh process's view of the site: nothing is remembered but what is on the disk."""
    store = Store(folder / "store.db", TABLES)
    policy = SitePolicy(
        folder / "policy.cedar",
        store,
        PrivateKey.from_seed(b"s" * 32),
        site_id=4,
        clock=lambda: now,
    )
    isolation = IsolationFacts(runner="fake")
    return (
        store,
        policy,
        Permission(store, policy, lambda _: isolation, organization_id=3, clock=lambda: now),
    )


def race(folder, first, answers):
    store, _, permission = site(folder)
    for number in range(first, first + 10):
        answers.put(permission.decide(number, Action.RUN, FACTS).answer)
    store.close()


def prepared(folder):
    store, policy, _ = site(folder)
    policy.put_in_force(EVERYTHING + compose([Choice("most-in-total", {"most": MOST})]))
    store.close()


def test_many_processes_on_one_ledger_do_not_exceed_a_budget(tmp_path):
    """Stopped by counting and recording in one transaction of the site's store."""
    prepared(tmp_path)
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    racers = [context.Process(target=race, args=(tmp_path, 10 * n, answers)) for n in range(3)]
    for racer in racers:
        racer.start()
    found = [answers.get(timeout=300) for _ in range(30)]
    for racer in racers:
        racer.join(300)
    assert found.count(Answer.GO_AHEAD) == MOST


def test_the_same_container_registered_again_is_no_fresh_budget(tmp_path):
    """Stopped by counting a model by the digest of its container, whatever number it has."""
    store, policy, permission = site(tmp_path)
    policy.put_in_force(EVERYTHING + compose([Choice("most-per-model", {"most": 1})]))
    again = replace(FACTS, model=replace(FACTS.model, id=FACTS.model.id + 1))
    assert permission.decide(1, Action.RUN, FACTS).answer is Answer.GO_AHEAD
    assert permission.decide(2, Action.RUN, again).answer is Answer.DENY
    store.close()


def test_restarts_clocks_set_back_and_replayed_grants_win_nothing(tmp_path):
    """Stopped by uses that belong to the site's own job, and by time that never runs backwards."""
    prepared(tmp_path)
    for turn in range(12):
        store, _, permission = site(tmp_path, NOW - timedelta(days=400 * turn))
        for number in (1, 2, 3, 3, 1):  # a grant played again is the same job again
            permission.decide(number, Action.RUN, FACTS)
        assert permission.decide(4 + turn, Action.RUN, FACTS).answer is Answer.DENY
        assert len(store.rows("SELECT * FROM uses")) == MOST
        store.close()
