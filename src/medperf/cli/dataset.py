"""``medperf dataset``: prepared data, which never leaves its site."""

import click

from medperf.cli import listing
from medperf.cli.command import Noun
from medperf.cli.tables import Column
from medperf.domain.lifecycle import DATASET

DESCRIBED = listing.Description(
    noun="dataset",
    path="datasets",
    columns=(
        Column("id", "id"),
        Column("name", "name"),
        Column("version", "version"),
        Column("state", "state"),
        Column("cases", "n_cases"),
        Column("preparator", "preparator_id"),
        Column("site", "site_id"),
        Column("registered", "created_at"),
    ),
    filters=(
        listing.state_filter(DATASET),
        listing.NAME,
        listing.Filter(
            "preparator", "preparator_id", "Only those it prepared.", names="containers"
        ),
        listing.SITE,
        listing.BENCHMARK,
        listing.Filter("fingerprint", "fingerprint", "Only that of this content."),
        listing.MINE,
    ),
    empty="No datasets yet. Next: medperf dataset prepare --help",
)


@click.group(cls=Noun)
def command() -> None:
    """Data that never leaves its site, and what is known of it elsewhere."""


listing.add_ls(command, DESCRIBED, "medperf dataset ls --mine\nmedperf dataset ls --benchmark 1")
listing.add_show(command, DESCRIBED, "medperf dataset show 2")
