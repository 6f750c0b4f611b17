"""``medperf login``: come in with an invitation and keep the access it gives."""

import platform
from typing import TYPE_CHECKING

import click

from medperf.cli import profiles
from medperf.cli.asking import answer
from medperf.cli.command import Verb
from medperf.cli.output import show_done
from medperf.cli.own_key import active_key_of, key_path, register_key
from medperf.domain.errors import DuplicateError

if TYPE_CHECKING:
    from medperf.domain.people import IssuedAccess


@click.command(
    cls=Verb,
    example="""
    medperf login --server https://medperf.example.org --invitation inv_3kT...
    medperf login --server https://medperf.example.org --invitation - < token.txt
    """,
)
@click.option("--server", required=True, metavar="URL", help="The server's address.")
@click.option(
    "--invitation", metavar="TOKEN", help="The one-time token; - reads it from standard input."
)
@click.option("--name", default=profiles.DEFAULT_NAME, show_default=True, help="Name this login.")
def command(server: str, invitation: str | None, name: str) -> None:
    """Come in with an invitation.

    An admin gets a key of their own, which signs what they decide; others make theirs with
    'medperf key new'.

    The access is kept for this machine's user alone, in MEDPERF_HOME or ~/.config/medperf.
    """
    server = profiles.check_server_address(server)
    known = profiles.load().by_name.get(name)
    if known is not None:
        raise DuplicateError(
            f"there is a profile {name!r} already, for {known.server}",
            hint="Give this login another --name, or 'medperf logout' first.",
        )
    token = answer("Invitation token", invitation, flag="--invitation", hide=True)
    _redeem(server, token, name)


def _redeem(server: str, token: str, name: str) -> None:
    from medperf.client.api import ServerClient
    from medperf.domain.people import Redemption

    with_nothing = ServerClient(server)
    issued = with_nothing.invitations.redeem(Redemption(token=token, label=_label()))
    log_key = with_nothing.info().log_key
    with_nothing.close()
    profile = profiles.Profile(
        name=name,
        server=server,
        user=issued.user.name,
        organization=_organization(server, issued.secret),
        access_token_id=issued.access_token.id,
        log_key=log_key,
    )
    profiles.remember(profile, issued.secret)
    key = _admins_key(server, name, issued)
    show_done(
        f"Logged in to {server} as {profile.user} of {profile.organization}."
        + (f" You decide with key {key['key_id']}; keep a copy of {key['file']}." if key else ""),
        {
            "profile": name,
            "server": server,
            "user": issued.user.model_dump(mode="json"),
            "organization": profile.organization,
            "log_key": log_key,
            "key": key,
            "expires_at": issued.access_token.model_dump(mode="json")["expires_at"],
        },
        "medperf whoami",
    )


def _admins_key(server: str, name: str, issued: "IssuedAccess") -> dict[str, str] | None:
    """A new admin's own key: nobody decides about more than they do."""
    from medperf.client.api import ServerClient
    from medperf.client.transport import AccessSecret

    if not issued.user.is_admin or key_path(name).exists():
        return None
    client = ServerClient(server, AccessSecret(issued.secret))
    try:
        user = client.me().user
        if user is None or active_key_of(user) is not None:
            return None
        return register_key(client, user, login=name)
    finally:
        client.close()


def _organization(server: str, secret: str) -> str:
    from medperf.client.api import ServerClient
    from medperf.client.transport import AccessSecret

    client = ServerClient(server, AccessSecret(secret))
    name = client.me().organization.name
    client.close()
    return name


def _label() -> str:
    host = "".join(char for char in platform.node() if char.isalnum() or char in "._-")
    return host[:60].lstrip("._-") or "command line"
