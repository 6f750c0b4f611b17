"""``medperf benchmark``: clinical tasks, how models are scored, and the leaderboards."""

import click

from medperf.cli import listing
from medperf.cli.command import Noun
from medperf.cli.tables import Column
from medperf.domain.lifecycle import BENCHMARK

DESCRIBED = listing.Description(
    noun="benchmark",
    path="benchmarks",
    columns=(
        Column("id", "id"),
        Column("name", "name"),
        Column("version", "version"),
        Column("state", "state"),
        Column("clinical task", "clinical_task"),
        Column("organization", "organization_id"),
        Column("registered", "created_at"),
    ),
    filters=(
        listing.state_filter(BENCHMARK),
        listing.NAME,
        listing.ORGANIZATION,
        listing.MINE,
    ),
    empty="No benchmarks yet. Next: medperf benchmark register --help",
)


@click.group(cls=Noun)
def command() -> None:
    """Clinical tasks, how models are scored, and what came of it."""


listing.add_ls(command, DESCRIBED, "medperf benchmark ls --state approved")
listing.add_show(command, DESCRIBED, "medperf benchmark show 1")
listing.add_acts(
    command,
    DESCRIBED,
    [
        listing.Act("submit", "Hand a benchmark to the server's admin.", then="an admin approves"),
        listing.Act("approve", "Let a benchmark go live (an admin's act)."),
        listing.Act("reject", "Refuse a benchmark (an admin's act)."),
        listing.Act("activate", "Let an inactive benchmark accept work again."),
        listing.Act("deactivate", "Pause a benchmark: nothing new is executed."),
        listing.Act("withdraw", "End a benchmark.", final="Running executions are revoked."),
    ],
)
