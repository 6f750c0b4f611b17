"""``medperf audit``: who did what to which thing, and when."""

import json

import click

from medperf.cli import listing
from medperf.cli.command import Noun
from medperf.cli.tables import Column

DESCRIBED = listing.Description(
    noun="audit",
    path="audit-events",
    columns=(
        Column("id", "id"),
        Column("at", "at"),
        Column("actor", "actor"),
        Column("action", "action"),
        Column("subject", "subject"),
        Column("details", value=lambda row: json.dumps(row.get("details") or {})),
    ),
    filters=(
        listing.Filter("subject", "subject", "Only about this, as in model:3."),
        listing.Filter("actor", "actor", "Only by this one, as in user:3."),
        listing.Filter("action", "action", "Only this, as in model.submit."),
    ),
    empty="No events that you may see.",
    has_name=False,
)


@click.group(cls=Noun)
def command() -> None:
    """Who did what to which thing, and when: never deleted, never changed."""


listing.add_ls(command, DESCRIBED, "medperf audit ls --subject benchmark:1")
