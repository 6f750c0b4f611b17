"""The secret behind bootstrap weights: made once, for its owner alone, never replaced."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from medperf.domain.errors import ConflictError, MalformedFileError
from medperf.site.bootstrap_secret import LENGTH, read_secret


@pytest.fixture
def path(tmp_path):
    return tmp_path / "bootstrap-secret"


def test_it_is_made_once_and_for_its_owner_alone(path):
    secret = read_secret(path)
    assert len(secret) == LENGTH
    assert read_secret(path) == secret
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_two_sites_have_two_secrets(tmp_path):
    assert read_secret(tmp_path / "one") != read_secret(tmp_path / "two")


def test_programs_that_start_at_once_agree(path):
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: read_secret(path), range(32)))
    assert len(found) == 1
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_one_that_others_may_read_is_refused(path):
    read_secret(path)
    path.chmod(0o644)
    with pytest.raises(ConflictError, match="others may read"):
        read_secret(path)


def test_one_of_another_length_is_refused_and_not_replaced(path):
    path.touch(0o600)
    path.write_bytes(b"short")
    with pytest.raises(MalformedFileError, match="5 bytes"):
        read_secret(path)
    assert path.read_bytes() == b"short"
