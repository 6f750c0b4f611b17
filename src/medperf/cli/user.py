"""``medperf user``: people."""

from pathlib import Path

import click

from medperf.cli import listing
from medperf.cli.command import Noun
from medperf.cli.invitation import issue_invitation, token_options
from medperf.cli.tables import Column

DESCRIBED = listing.Description(
    noun="user",
    path="users",
    columns=(
        Column("id", "id"),
        Column("name", "name"),
        Column("organization", "organization_id"),
        Column("e-mail", "email"),
        Column("admin", "is_admin"),
    ),
    filters=(listing.ORGANIZATION,),
    empty="No users yet. Next: medperf user invite --help",
)


@click.group(cls=Noun)
def command() -> None:
    """People. E-mail addresses are shown to colleagues and admins only."""


listing.add_ls(command, DESCRIBED, "medperf user ls\nmedperf user ls --organization 2")


@command.command(
    example='medperf user invite --organization 2 --name "data scientist" --email it@example.org'
)
@click.option("--organization", required=True, metavar="NUMBER|NAME", help="Whose colleague.")
@click.option("--name", required=True, help="The person's name.")
@click.option("--email", required=True, help="The person's e-mail address.")
@click.option("--admin", is_flag=True, help="Let them administer the server.")
@token_options
def invite(
    organization: str,
    name: str,
    email: str,
    admin: bool,
    valid_days: int,
    token_file: Path | None,
) -> None:
    """Invite a person; prints the one-time token to hand over."""
    issue_invitation(
        "user",
        organization,
        name,
        email,
        admin=admin,
        valid_days=valid_days,
        token_file=token_file,
    )
