"""What happens when one of an agent's threads is quicker than another, or much slower."""

import threading
from datetime import timedelta

import pytest
from federation.federation import ASK_TO_RELEASE

from medperf.domain.clock import system_clock
from medperf.domain.errors import UnavailableError
from medperf.domain.executions import Work
from medperf.site.execution import Held


@pytest.fixture
def site(federation):
    federation.add_model("Model A")
    return federation.add_site("Hospital One", policy=ASK_TO_RELEASE)


class Workers:
    """Threads that never come to run what they are given."""

    def __init__(self):
        self.given = []

    def submit(self, _, held):
        self.given.append(held.number)


def granted(site, opened):
    """An agent and its job, which has a grant and was not taken up yet."""
    site.set(disk_reserve_bytes=10**16)
    agent = opened.agent()
    agent.settle()
    site.set(disk_reserve_bytes=0)
    [job] = opened.jobs.in_states("granted")
    return agent, job


def test_a_job_that_its_worker_postpones_just_now_is_not_tried_again_at_once(site):
    with site.opened() as opened:
        agent, job = granted(site, opened)
        agent._held[job.number] = Held(job.number, threading.Event())
        read = opened.jobs.in_states

        def while_its_worker_ends(*states):
            found = read(*states)
            later = system_clock() + timedelta(hours=1)
            opened.jobs.remember(job.number, next_attempt_at=later)
            agent._held.pop(job.number, None)
            return found

        opened.jobs.in_states = while_its_worker_ends
        workers = Workers()
        assert not agent._dispatch(opened.settings, workers)
        assert workers.given == []


def test_a_revoked_job_that_is_taken_up_just_now_is_stopped(site):
    with site.opened() as opened:
        agent, job = granted(site, opened)
        held = Held(job.number, threading.Event())
        act = opened.jobs.transition

        def just_after_it_is_taken_up(number, action, **more):
            agent._held[number] = held
            return act(number, action, **more)

        opened.jobs.transition = just_after_it_is_taken_up
        agent._apply(Work(version=9, items=(), revoked=(job.execution_id,)), system_clock())
        assert opened.jobs.get(job.number).state == "cancelled"
        assert held.cancel.is_set()


def test_a_listener_that_hears_nothing_while_its_agent_ends_keeps_silent(site):
    asked, may_fail, stop = threading.Event(), threading.Event(), threading.Event()

    def unheard(**_):
        asked.set()
        may_fail.wait(60)
        raise UnavailableError("gone")

    with site.opened() as opened:
        own = opened.client.beside()
        own.executions.work = unheard
        opened.client.beside = lambda: own
        lose = opened.link.lost
        is_losing, may_lose = threading.Event(), threading.Event()

        def lost(problem):
            is_losing.set()
            may_lose.wait(60)
            return lose(problem)

        opened.link.lost = lost
        agent = opened.agent()
        running = threading.Thread(target=agent.run, args=(stop,))
        running.start()
        assert asked.wait(60)
        [listener] = [each for each in threading.enumerate() if each.name == "listener"]
        may_fail.set()
        assert is_losing.wait(60)
        stop.set()
        running.join(60)
    may_lose.set()  # the store is closed by now
    listener.join(60)
    assert not listener.is_alive()
