"""A person's own key on this machine: one for each login, in a file for its owner alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from medperf.cli import profiles
from medperf.cli.command import chosen_profile

if TYPE_CHECKING:
    from medperf.client.transport import Transport


def key_path() -> Path:
    """Where the key of the chosen login is, whether there is one or not."""
    name = profiles.choose(chosen_profile()).name
    return profiles.home() / "keys" / f"{quote(name, safe='')}.pem"


def next_key_path() -> Path:
    """Where a key is from when it is made until the server knows it."""
    return key_path().with_suffix(".next.pem")


def signed_act(
    transport: "Transport", noun: str, number: int, action: str, reason: str
) -> dict[str, Any] | None:
    """Sign an act with the person's own key; None where they have none, or nothing is signed."""
    if not key_path().exists():
        return None
    from medperf.client.api import ServerClient
    from medperf.client.deciding import sign_decision
    from medperf.client.key_file import read_key_file
    from medperf.domain.clock import system_clock

    return sign_decision(
        ServerClient(transport.url, transport=transport),
        read_key_file(key_path()),
        noun,
        number,
        action,
        reason=reason,
        at=system_clock(),
    )
