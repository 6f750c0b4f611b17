"""``medperf execution``: one model on one dataset for one benchmark."""

from pathlib import Path

import click

from medperf.cli import listing
from medperf.cli.at_site import acting_site, folder_option, opened
from medperf.cli.command import Noun
from medperf.cli.connection import connected, find
from medperf.cli.output import show_record
from medperf.cli.tables import Column
from medperf.domain.lifecycle import EXECUTION

DESCRIBED = listing.Description(
    noun="execution",
    path="executions",
    columns=(
        Column("id", "id"),
        Column("benchmark", "benchmark_id"),
        Column("model", "model_id"),
        Column("dataset", "dataset_id"),
        Column("site", "site_id"),
        Column("state", "state"),
        Column("failure", "failure_code"),
        Column("granted", "created_at"),
    ),
    filters=(
        listing.state_filter(EXECUTION),
        listing.BENCHMARK,
        listing.MODEL,
        listing.DATASET,
        listing.SITE,
    ),
    empty="No executions yet: they follow once a model and a dataset are approved.",
    has_name=False,
)


@click.group(cls=Noun)
def command() -> None:
    """One model on one dataset for one benchmark, each under its own grant."""


listing.add_ls(command, DESCRIBED, "medperf execution ls --benchmark 1 --state failed")


@command.command(
    example="medperf execution show 12\nmedperf execution show 12 --folder /srv/medperf"
)
@click.argument("number", type=int)
@folder_option
def show(number: int, folder: str | None) -> None:
    """Show an execution; at its site also the findings, the failure and where the logs are.

    What only the site knows is read from its folder and stays there.
    """
    place = acting_site(folder)
    if place is None:
        with connected() as transport:
            show_record(find(transport, DESCRIBED.path, str(number)))
        return
    from medperf.cli.site_views import execution_record

    with opened(place) as site:
        show_record(execution_record(site, number))


@command.command(example="medperf execution diagnose 12")
@click.argument("number", type=int)
@folder_option
def diagnose(number: int, folder: str | None) -> None:
    """Say why an execution failed, or where it stands, and what to do.

    At its site it shows everything: steps, times, the last lines of logs, findings, the policy's
    decisions and the ledger; nothing of that leaves. Elsewhere it shows what the site told: a code,
    the step, and numbers of the machine.
    """
    from medperf.cli import diagnosis

    place = acting_site(folder)
    if place is None:
        with connected() as transport:
            show_record(diagnosis.told(find(transport, DESCRIBED.path, str(number))))
        return
    with opened(place) as site:
        show_record(diagnosis.diagnose(site, number))


@command.command(
    example="medperf execution trial 12\nmedperf execution trial 12 --keep trial --runner docker"
)
@click.argument("number", type=int)
@click.option(
    "--keep",
    type=click.Path(path_type=Path),
    help="Where logs and outputs stay.  [default: trial-NUMBER here]",
)
@click.option("--runner", help="docker, podman, apptainer or sandbox; else the strongest.")
@click.option("--allow-bare", is_flag=True, help="Run without isolation where there is none.")
def trial(number: int, keep: Path | None, runner: str | None, allow_bare: bool) -> int:
    """Run an execution's model on the benchmark's demo data, here, with all logs.

    No patient's data and no hospital is involved: the same registered containers run in the same
    order, within the memory and time the site reported. The exit status is that of the first
    part that failed.
    """
    from medperf.cli.execution_trial import run_trial, show_trial

    with connected() as transport:
        execution = find(transport, DESCRIBED.path, str(number))
    place = keep or Path(f"trial-{number}")
    return show_trial(run_trial(execution, place, runner=runner, allow_bare=allow_bare), place)


listing.add_acts(
    command, DESCRIBED, [listing.Act("retry", "Let a failed execution be tried again.")]
)
