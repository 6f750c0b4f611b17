import fcntl
import os
import threading
from contextlib import contextmanager

import pytest

from medperf.site.file_lock import drop_lock, is_locked, take_lock


@pytest.fixture
def lock(tmp_path):
    return tmp_path / "made" / "a.lock"


@contextmanager
def asked_for_a_while(path):
    """Somebody asks who holds the lock, and is stopped in the middle of it by a busy machine."""
    asking = os.open(path, os.O_RDWR)
    fcntl.flock(asking, fcntl.LOCK_SH | fcntl.LOCK_NB)
    timer = threading.Timer(0.2, os.close, (asking,))
    timer.start()
    yield
    timer.join()


def test_one_holds_it_until_it_lets_go(lock):
    assert not is_locked(lock)
    held = take_lock(lock)
    assert is_locked(lock)
    assert take_lock(lock) is None
    drop_lock(held)
    assert not is_locked(lock)


def test_who_only_asks_is_waited_for(lock):
    drop_lock(take_lock(lock))
    with asked_for_a_while(lock):
        held = take_lock(lock)
        assert held is not None
        assert is_locked(lock)
        drop_lock(held)


def test_who_only_asks_sees_no_holder_in_others_who_ask(lock):
    drop_lock(take_lock(lock))
    with asked_for_a_while(lock):
        assert not is_locked(lock)


def test_letting_go_needs_nobody_who_has_a_copy_of_the_descriptor(lock):
    held = take_lock(lock)
    copy = os.dup(held)  # as a program has it that another thread is just starting
    drop_lock(held)
    assert not is_locked(lock)
    drop_lock(take_lock(lock))
    os.close(copy)


def test_a_holder_that_lets_go_in_time_is_waited_for(lock):
    timer = threading.Timer(0.1, drop_lock, (take_lock(lock),))
    timer.start()
    held = take_lock(lock, 60)
    assert held is not None
    drop_lock(held)
    timer.join()
