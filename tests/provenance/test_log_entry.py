from datetime import UTC, datetime

import pytest

from medperf.domain.errors import MalformedFileError
from medperf.provenance.log_entry import LogEntry
from medperf.provenance.merkle import leaf_hash

ENTRY = LogEntry(
    kind="result",
    envelope_digest="sha256:" + "0" * 64,
    logged_at=datetime(2026, 3, 1, tzinfo=UTC),
    about_digest="sha256:" + "1" * 64,
)


def test_a_leaf_reads_back():
    assert LogEntry.from_bytes(ENTRY.to_bytes()) == ENTRY


def test_the_leaf_hash_is_over_the_bytes_that_are_served():
    assert ENTRY.leaf_hash == leaf_hash(ENTRY.to_bytes())


@pytest.mark.parametrize("data", [b"{}", b"[]", b"?"])
def test_refuses_what_is_not_a_leaf(data):
    with pytest.raises(MalformedFileError):
        LogEntry.from_bytes(data)
