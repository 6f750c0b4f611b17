"""``medperf key``: a person's own key, with which they sign what they decide."""

from base64 import b64encode
from typing import TYPE_CHECKING, Any

import click

from medperf.cli.asking import confirm
from medperf.cli.command import Noun
from medperf.cli.connection import client, find_number
from medperf.cli.output import show_done, show_rows
from medperf.cli.own_key import key_path, next_key_path
from medperf.cli.tables import Column
from medperf.domain.errors import DuplicateError, InvalidRequestError

if TYPE_CHECKING:
    from medperf.client.api import ServerClient
    from medperf.domain.people import User
    from medperf.provenance.keys import PrivateKey

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
        if _finish(user):
            return
        active = _active(user)
        if active is not None:
            raise DuplicateError(
                f"you have an active key already: {active}",
                hint="Use 'medperf key rotate' where it is, or 'medperf key revoke' it first.",
            )
        _register(server, user, None)


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
        if _finish(user):
            return
        former = read_key_file(key_path())
        if former.key_id != _active(user):
            raise InvalidRequestError(
                f"the key of this machine, {former.key_id}, is not active at the server",
                hint="See 'medperf key ls'; without an active key, use 'medperf key new'.",
            )
        _register(server, user, former)


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
        chosen = key_id or _active(owner)
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


def _active(user: "User") -> str | None:
    return next((key.key_id for key in user.keys if key.revoked_at is None), None)


def _register(server: "ServerClient", user: "User", former: "PrivateKey | None") -> None:
    from medperf.client.key_file import own_key_file
    from medperf.domain.people import PersonKey

    key_path().parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # In a file before the server knows it: a registered key that was lost helps nobody.
    key = own_key_file(next_key_path())
    statement = f"medperf-person-key:{user.id}"
    form = PersonKey(
        public_key=key.public.to_text(),
        proof=_proof(key, statement),
        former_proof=_proof(former, f"{statement}:{key.key_id}") if former else None,
    )
    registered = server.users.register_key(form)
    _finish(registered)


def _finish(user: "User") -> bool:
    """Take up a key that the server knows already; a killed attempt may have left it."""
    from medperf.client.key_file import read_key_file

    if not next_key_path().exists():
        return False
    key = read_key_file(next_key_path())
    if key.key_id != _active(user):
        return False
    next_key_path().replace(key_path())
    record = {"key_id": key.key_id, "public_key": key.public.to_text(), "file": str(key_path())}
    show_done(f"You decide with key {key.key_id} from now on.", record, "keep a copy of its file")
    return True


def _forget(key_id: str) -> None:
    from medperf.client.key_file import read_key_file

    if key_path().exists() and read_key_file(key_path()).key_id == key_id:
        key_path().unlink()


def _proof(key: "PrivateKey", statement: str) -> str:
    return b64encode(key.sign(statement.encode())).decode()
