"""What takes long is computed once, and a failure is never remembered."""

import threading

import pytest

from medperf.server.remembering import Remembered


def test_an_answer_is_computed_once_per_key():
    remembered, computed = Remembered(), []

    def compute():
        computed.append(1)
        return len(computed)

    assert [remembered.answer(key, compute) for key in ("a", "a", "b", "a")] == [1, 1, 2, 1]


def test_the_least_used_is_forgotten_first():
    remembered = Remembered(kept=2)
    for key in ("a", "b", "a", "c"):
        remembered.answer(key, lambda key=key: key)
    assert len(remembered) == 2
    assert remembered.answer("a", lambda: "anew") == "a"
    assert remembered.answer("b", lambda: "anew") == "anew"


def test_a_failure_is_raised_and_not_kept():
    remembered = Remembered()

    def fail():
        raise ValueError("once")

    with pytest.raises(ValueError, match="once"):
        remembered.answer("a", fail)
    assert remembered.answer("a", lambda: 7) == 7


def test_who_asks_meanwhile_waits_for_the_same_answer():
    remembered, begun, may_end = Remembered(), threading.Event(), threading.Event()
    answers, computed = [], []

    def compute():
        computed.append(1)
        begun.set()
        assert may_end.wait(120)
        return "whole"

    def ask():
        answers.append(remembered.answer("a", compute))

    asking = [threading.Thread(target=ask) for _ in range(3)]
    for thread in asking:
        thread.start()
    assert begun.wait(120)
    may_end.set()
    for thread in asking:
        thread.join(120)
    assert answers == ["whole"] * 3
    assert computed == [1]


def test_who_waits_for_a_failure_hears_of_it():
    remembered, begun, may_end = Remembered(), threading.Event(), threading.Event()
    heard = []

    def fail():
        begun.set()
        assert may_end.wait(120)
        raise ValueError("both")

    def ask():
        try:
            remembered.answer("a", fail)
        except ValueError as error:
            heard.append(str(error))

    first = threading.Thread(target=ask)
    first.start()
    assert begun.wait(120)
    second = threading.Thread(target=ask)
    second.start()
    may_end.set()
    first.join(120)
    second.join(120)
    assert heard == ["both", "both"]
