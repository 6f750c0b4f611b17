"""What a courier's commands believe of the server."""

import pytest

from medperf.cli.bundle import _key_of
from medperf.domain.errors import InvalidRequestError, UntrustedError

KEY = "sha256:" + "a" * 64


def _site(*keys: tuple[str, str | None]) -> dict[str, object]:
    listed = [{"key_id": key_id, "revoked_at": revoked_at} for key_id, revoked_at in keys]
    return {"name": "Hospital A", "keys": listed}


def test_the_last_key_that_is_not_revoked_counts() -> None:
    site = _site((KEY, None), ("sha256:" + "b" * 64, "2026-01-01T00:00:00Z"))
    assert _key_of(site) == KEY


def test_a_site_without_a_key_gets_no_bundle() -> None:
    with pytest.raises(InvalidRequestError, match="no key that is not revoked"):
        _key_of(_site())


@pytest.mark.parametrize("key_id", ["/etc/cron.d/x", "../../x", "", KEY + "/../x"])
def test_a_key_that_names_another_file_is_refused(key_id: str) -> None:
    with pytest.raises(UntrustedError, match="that is none"):
        _key_of(_site((key_id, None)))
