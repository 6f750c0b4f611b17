"""What a site keeps, for how long, and what it never deletes."""

from datetime import timedelta

from hospital import NOW
from hypothesis import given
from hypothesis import strategies as st

from medperf.site.retention import Kept, expired

DAY = timedelta(days=1)


def kept(age_days, size_bytes=10, name="a", kind="job"):
    return Kept(kind, name, NOW - age_days * DAY, size_bytes)


def test_what_is_too_old_goes():
    assert expired([kept(91), kept(89)], NOW, keep_days=90, keep_bytes=None) == [kept(91)]


def test_of_too_much_the_oldest_goes_first():
    three = [kept(1, name="new"), kept(3, name="old"), kept(2, name="middle")]
    found = expired(three, NOW, keep_days=90, keep_bytes=20)
    assert [one.name for one in found] == ["old"]


@given(
    st.lists(st.builds(kept, st.integers(0, 200), st.integers(0, 50))),
    st.integers(0, 100),
    st.none() | st.integers(0, 500),
)
def test_what_is_left_is_young_and_small_enough(every, keep_days, keep_bytes):
    gone = expired(every, NOW, keep_days=keep_days, keep_bytes=keep_bytes)
    left = list(every)
    for one in gone:
        left.remove(one)
    assert all(NOW - one.since < keep_days * DAY for one in left)
    assert keep_bytes is None or sum(one.size_bytes for one in left) <= keep_bytes
