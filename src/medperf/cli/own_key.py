"""A person's own key on this machine: one for each login, in a file for its owner alone."""

from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from medperf.cli import profiles
from medperf.cli.command import chosen_profile

if TYPE_CHECKING:
    from medperf.client.api import ServerClient
    from medperf.client.transport import Transport
    from medperf.domain.people import User
    from medperf.provenance.keys import PrivateKey


def key_path(login: str | None = None) -> Path:
    """Where the key of a login is, by default the chosen one, whether there is one or not."""
    name = login or profiles.choose(chosen_profile()).name
    return profiles.home() / "keys" / f"{quote(name, safe='')}.pem"


def active_key_of(user: "User") -> str | None:
    """The id of the key with which a person decides now."""
    return next((key.key_id for key in user.keys if key.revoked_at is None), None)


def register_key(
    server: "ServerClient",
    user: "User",
    *,
    former: "PrivateKey | None" = None,
    login: str | None = None,
) -> dict[str, str]:
    """Make a key on this machine and register its public half; answer what to tell of it."""
    from medperf.client.key_file import own_key_file
    from medperf.domain.people import PersonKey

    path = _next_path(login)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # In a file before the server knows it: a registered key that was lost helps nobody.
    key = own_key_file(path)
    statement = f"medperf-person-key:{user.id}"
    form = PersonKey(
        public_key=key.public.to_text(),
        proof=_proof(key, statement),
        former_proof=_proof(former, f"{statement}:{key.key_id}") if former else None,
    )
    return take_up_key(server.users.register_key(form), login=login) or {}


def take_up_key(user: "User", *, login: str | None = None) -> dict[str, str] | None:
    """Decide with a key that the server knows already; a killed attempt may have left it."""
    from medperf.client.key_file import read_key_file

    path = _next_path(login)
    if not path.exists():
        return None
    key = read_key_file(path)
    if key.key_id != active_key_of(user):
        return None
    path.replace(key_path(login))
    told = {"key_id": key.key_id, "public_key": key.public.to_text()}
    return {**told, "file": str(key_path(login))}


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


def _next_path(login: str | None) -> Path:
    """Where a key is from when it is made until the server knows it."""
    return key_path(login).with_suffix(".next.pem")


def _proof(key: "PrivateKey", statement: str) -> str:
    return b64encode(key.sign(statement.encode())).decode()
