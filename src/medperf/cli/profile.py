"""``medperf profile``: the logins of this machine."""

import click

from medperf.cli import profiles
from medperf.cli.command import Noun
from medperf.cli.output import show_done, show_rows
from medperf.cli.tables import Column


@click.group(cls=Noun)
def command() -> None:
    """The logins of this machine: one per server and person."""


@command.command(example="medperf profile ls")
def ls() -> None:
    """List the logins of this machine."""
    known = profiles.load()
    rows = [
        {
            "name": profile.name,
            "server": profile.server,
            "user": profile.user,
            "organization": profile.organization,
            "is_current": profile.name == known.current,
        }
        for profile in known.by_name.values()
    ]
    columns = [
        Column("name", "name"),
        Column("server", "server"),
        Column("user", "user"),
        Column("organization", "organization"),
        Column("current", "is_current"),
    ]
    show_rows(rows, columns, "No login yet. Next: medperf login --server URL --invitation TOKEN")


@command.command(example="medperf profile use committee")
@click.argument("name")
def use(name: str) -> None:
    """Make a login the current one."""
    profile = profiles.use(name)
    show_done(
        f"{profile.name} is current: {profile.user} at {profile.server}.",
        {"current": profile.name, "server": profile.server},
    )
