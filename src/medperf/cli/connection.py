"""The connection of a command to its server, as the person of the chosen login."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from medperf.cli import profiles
from medperf.cli.command import chosen_profile
from medperf.domain.errors import InvalidRequestError, NotFoundError

if TYPE_CHECKING:
    from medperf.client.api import ServerClient
    from medperf.client.log_watch import LogWatch
    from medperf.client.transport import Transport

ATTEMPTS = 3
"""A person waits at the terminal: give up sooner than an agent does."""


@contextmanager
def connected() -> Iterator["Transport"]:
    """A connection that knows routes and JSON only: quick to import, enough to list and show."""
    from medperf.client.transport import AccessSecret, Transport

    profile = profiles.choose(chosen_profile())
    secret = AccessSecret(profiles.secret_of(profile))
    transport = Transport(profile.server, secret, attempts=ATTEMPTS)
    try:
        if profile.log_key:
            log_watch(profile).demand(transport)
        yield transport
    finally:
        transport.close()


def log_watch(profile: profiles.Profile) -> "LogWatch":
    """What this machine saw last of the log of a login's server."""
    from medperf.client.log_watch import LogWatch

    # Named by the log, so that two logins at one server compare what they see.
    name = profile.log_key.partition("+")[0].replace("/", "_")
    return LogWatch(profiles.home() / "logs" / name, profile.log_key)


def log_key_now(profile: profiles.Profile) -> str:
    """The key of the log that a login is led to by what it saw; empty where it trusts none."""
    return log_watch(profile).keys.current.to_text() if profile.log_key else ""


@contextmanager
def client() -> Iterator["ServerClient"]:
    """A typed client, for commands that send something."""
    with connected() as transport:
        from medperf.client.api import ServerClient

        yield ServerClient(transport.url, transport=transport)


def find(transport: "Transport", path: str, reference: str) -> dict[str, Any]:
    """Look a thing up by its number or its name.

    Raises:
        NotFoundError: there is none.
        InvalidRequestError: several have this name; the message lists their numbers.
    """
    from medperf.client.paging import rows

    if reference.isascii() and reference.isdigit():
        found: dict[str, Any] = transport.get(f"/api/v1/{path}/{int(reference)}")
        return found
    noun = path.removesuffix("s")
    named = [row for row in rows(transport, path, name=reference) if row["name"] == reference]
    if not named:
        raise NotFoundError(
            f"there is no {noun} named {reference!r}, or it is not visible to you",
            hint=f"See 'medperf {noun} ls'.",
        )
    if len(named) > 1:
        numbers = ", ".join(f"{row['id']} ({row.get('state', '?')})" for row in named)
        raise InvalidRequestError(
            f"several {path} are named {reference!r}: {numbers}", hint="Give the number instead."
        )
    return named[0]


def find_number(transport: "Transport", path: str, reference: str) -> int:
    """The number of a thing, by its number (not looked up) or its name."""
    if reference.isascii() and reference.isdigit():
        return int(reference)
    return int(find(transport, path, reference)["id"])


def site_folder(given: str | None = None) -> str | None:
    """The site folder of this machine: as given, or MEDPERF_SITE."""
    return given or os.environ.get("MEDPERF_SITE") or None
