"""``medperf invitation``: how people and sites come in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from medperf.cli import listing
from medperf.cli.command import Noun
from medperf.cli.connection import client, connected, find_number
from medperf.cli.new_files import refuse_existing
from medperf.cli.output import show_token
from medperf.cli.tables import Column
from medperf.domain.errors import InvalidRequestError
from medperf.domain.lifecycle import INVITATION

DESCRIBED = listing.Description(
    noun="invitation",
    path="invitations",
    columns=(
        Column("id", "id"),
        Column("kind", "kind"),
        Column("name", "name"),
        Column("organization", "organization_id"),
        Column("state", "state"),
        Column("expires", "expires_at"),
    ),
    filters=(listing.state_filter(INVITATION),),
    empty="No invitations. Next: medperf invitation issue --help",
    has_name=False,
)


F = TypeVar("F", bound=Callable[..., Any])


def token_options(function: F) -> F:
    """``--valid-days`` and ``--token-file``."""
    days = click.option(
        "--valid-days",
        default=14,
        show_default=True,
        type=click.IntRange(1, 90),
        help="How long it can be taken up.",
    )
    return days(token_file_option(function))


def token_file_option(function: F) -> F:
    """``--token-file``."""
    return click.option(
        "--token-file",
        type=click.Path(path_type=Path),
        callback=_new_file,
        help="Write the token to this new file, readable by you alone, instead of showing it.",
    )(function)


def _new_file(_context: click.Context, _parameter: click.Parameter, path: Path | None) -> Any:
    """Refuse a file that cannot be new before anything is done: the token is given only once."""
    if path is not None:
        refuse_existing(path)
        if not path.absolute().parent.is_dir():
            raise InvalidRequestError(f"there is no folder {path.parent} for the token's file")
    return path


@click.group(cls=Noun)
def command() -> None:
    """How people and sites come in: one-time tokens."""


listing.add_ls(command, DESCRIBED, "medperf invitation ls --state open")


@command.command(
    example="""
    medperf invitation issue --kind site --organization "Hospital A" --name "site A"
    medperf invitation issue --kind user --organization 2 --name "data owner" --email it@a.org
    """
)
@click.option("--kind", required=True, type=click.Choice(["user", "site"]), help="Who comes in.")
@click.option("--organization", required=True, metavar="NUMBER|NAME", help="Where they belong.")
@click.option("--name", required=True, help="The person's or the site's name.")
@click.option("--email", help="A person's e-mail address.")
@click.option("--admin", is_flag=True, help="Let the person administer the server.")
@token_options
def issue(
    kind: str,
    organization: str,
    name: str,
    email: str | None,
    admin: bool,
    valid_days: int,
    token_file: Path | None,
) -> None:
    """Issue an invitation; prints the one-time token to hand over."""
    issue_invitation(
        kind,
        organization,
        name,
        email,
        admin=admin,
        valid_days=valid_days,
        token_file=token_file,
    )


listing.add_acts(
    command,
    DESCRIBED,
    [listing.Act("revoke", "Take an invitation back.", final="Its token stops working.")],
)


def issue_invitation(
    kind: str,
    organization: str,
    name: str,
    email: str | None,
    *,
    admin: bool,
    valid_days: int,
    token_file: Path | None,
) -> None:
    """Issue an invitation and show its token, which is shown only this once."""
    with connected() as transport:
        organization_id = find_number(transport, "organizations", organization)
    from medperf.domain.people import InvitationForm, InvitationKind

    with client() as server:
        issued = server.invitations.issue(
            InvitationForm(
                kind=InvitationKind(kind),
                organization_id=organization_id,
                name=name,
                email=email,
                is_admin=admin,
                valid_days=valid_days,
            )
        )
    show_token(issued.model_dump(mode="json"), token_file)
