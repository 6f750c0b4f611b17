"""``medperf whoami``: who the server takes the caller for."""

import click

from medperf.cli import profiles
from medperf.cli.command import Verb, chosen_profile
from medperf.cli.connection import connected
from medperf.cli.output import show_record


@click.command(cls=Verb, example="medperf whoami --json")
def command() -> None:
    """Who the server takes you for."""
    profile = profiles.choose(chosen_profile())
    with connected() as transport:
        principal = transport.get("/api/v1/me")
    show_record({"profile": profile.name, "server": profile.server, **principal})
