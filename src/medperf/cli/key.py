"""``medperf key``: a person's own key, with which they sign what they decide."""

from typing import TYPE_CHECKING, Any

import click

from medperf.cli.asking import confirm
from medperf.cli.command import Noun
from medperf.cli.connection import client, find_number
from medperf.cli.output import show_done, show_rows
from medperf.cli.own_key import active_key_of, key_path, register_key, take_up_key
from medperf.cli.tables import Column
from medperf.domain.errors import DuplicateError, InvalidRequestError

if TYPE_CHECKING:
    from medperf.client.api import ServerClient
    from medperf.domain.people import User

COLUMNS = (
    Column("key", "key_id"),
    Column("registered", "created_at"),
    Column("revoked", "revoked_at"),
    Column("here", "is_here"),
)


@click.group(cls=Noun)
def command() -> None:
    """Your own key, which signs what you decide; without one the server vouches for you."""


@command.command(example="medperf key new")
def new() -> None:
    """Make a key on this machine and register its public half with the server."""
    with client() as server:
        user = _me(server)
        if taken_up := take_up_key(user):
            _say(taken_up)
            return
        active = active_key_of(user)
        if active is not None:
            raise DuplicateError(
                f"you have an active key already: {active}",
                hint="Use 'medperf key rotate' where it is, or 'medperf key revoke' it first.",
            )
        _say(register_key(server, user))


@command.command(example="medperf key ls\nmedperf key ls --user 3 --json")
@click.option("--user", metavar="NUMBER", help="Whose keys.  [default: your own]")
def ls(user: str | None) -> None:
    """List your keys, or somebody's; a revoked one still proves what was signed before."""
    from medperf.client.key_file import read_key_file

    with client() as server:
        person = server.users.get(find_number(server.transport, "users", user)) if user else None
        found = person or _me(server)
    here = read_key_file(key_path()).key_id if key_path().exists() else None
    rows: list[dict[str, Any]] = [
        {**key.model_dump(mode="json"), "is_here": key.key_id == here} for key in found.keys
    ]
    show_rows(rows, COLUMNS, "No key: the server vouches for you. Next: medperf key new")


@command.command(example="medperf key rotate")
def rotate() -> None:
    """Replace your key by a new one; the old one consents, and still proves what it signed."""
    from medperf.client.key_file import read_key_file

    with client() as server:
        user = _me(server)
        if taken_up := take_up_key(user):
            _say(taken_up)
            return
        former = read_key_file(key_path())
        if former.key_id != active_key_of(user):
            raise InvalidRequestError(
                f"the key of this machine, {former.key_id}, is not active at the server",
                hint="See 'medperf key ls'; without an active key, use 'medperf key new'.",
            )
        _say(register_key(server, user, former=former))


@command.command(
    example="""
    medperf key revoke --reason "laptop lost" --yes
    medperf key revoke sha256:0f1e... --user 3 --yes
    """
)
@click.argument("key_id", metavar="KEY", required=False)
@click.option("--user", metavar="NUMBER", help="Whose key; an admin's act.  [default: yours]")
@click.option("--reason", default="", help="Why; everybody can read it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def revoke(key_id: str | None, user: str | None, reason: str, yes: bool) -> None:
    """End a key at once, your active one by default; what it signed before stays valid."""
    with client() as server:
        me = _me(server)
        number = find_number(server.transport, "users", user) if user else me.id
        owner = server.users.get(number) if user else me
        chosen = key_id or active_key_of(owner)
        if chosen is None:
            raise InvalidRequestError("there is no active key to revoke")
        confirm(f"revoke key {chosen}? It is never valid again.", yes=yes)
        found = server.users.revoke_key(number, chosen, reason)
    _forget(chosen)
    show_done(f"key {chosen} is revoked.", found.model_dump(mode="json"), "medperf key new")


def _me(server: "ServerClient") -> "User":
    user = server.me().user
    if user is None:
        raise InvalidRequestError("a site has a key already; this is for people")
    return user


def _say(key: dict[str, str]) -> None:
    show_done(f"You decide with key {key['key_id']} from now on.", key, "keep a copy of its file")


def _forget(key_id: str) -> None:
    from medperf.client.key_file import read_key_file

    if key_path().exists() and read_key_file(key_path()).key_id == key_id:
        key_path().unlink()
