"""``medperf run``: a data owner runs what is outstanding, now and in the foreground."""

from typing import Any

import click

from medperf.cli.at_site import folder_option, opened, person_options
from medperf.cli.command import Verb
from medperf.cli.output import note, show_rows


@click.command(
    cls=Verb,
    example="""
    medperf run --benchmark 1 --dataset "our nuclei"
    medperf run --benchmark 1 --dataset 2 --model 3 --role "data owner"
    """,
)
@click.option("--benchmark", metavar="NUMBER|NAME", help="Only for this benchmark.")
@click.option("--dataset", metavar="NUMBER|NAME", help="Only on this dataset.")
@click.option("--model", metavar="NUMBER|NAME", help="Only this model.")
@person_options
@folder_option
def command(
    benchmark: str | None,
    dataset: str | None,
    model: str | None,
    name_of_person: str | None,
    role: str | None,
    folder: str | None,
) -> None:
    """Run the outstanding executions of a site now, as the agent would, and end.

    Where the site asks a person before a model runs, this command is the yes for those that it
    names. Results still wait for a person if the site asks before releasing.
    """
    from medperf.cli.foreground import Choice, run
    from medperf.cli.site_views import STATUS_COLUMNS

    with opened(folder) as site:
        choice = Choice(benchmark, dataset, model)
        jobs: list[dict[str, Any]] = run(site, choice, (name_of_person, role))
    show_rows(jobs, STATUS_COLUMNS, "Nothing is outstanding.")
    waiting = [job for job in jobs if job["state"] == "waiting_to_release"]
    if waiting:
        note(f"{len(waiting)} results wait for a person: medperf site inbox")
