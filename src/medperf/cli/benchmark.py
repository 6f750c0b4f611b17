"""``medperf benchmark``: clinical tasks, how models are scored, and the leaderboards."""

from pathlib import Path
from typing import Any

import click

from medperf.cli import listing
from medperf.cli.command import Noun, wants_json
from medperf.cli.connection import client, connected, find_number
from medperf.cli.output import show_done, write_json
from medperf.cli.tables import Column
from medperf.domain.lifecycle import BENCHMARK

AUDIENCES = ("owners", "participants", "public")
DETAILS = ("pooled", "per_site")
MOMENTS = ("submitted", "approved", "complete")
NEW_FILE = click.Path(path_type=Path, dir_okay=False)

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


@command.command(
    example="""
    medperf benchmark register benchmark.yaml
    medperf benchmark register --name "breast cancer" --clinical-task "benign or malignant" \
--preparator prep --evaluator eval --reference-model lr --demo-dataset demo --plan plan.yaml
    """
)
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--name", help="Its name.")
@click.option("--clinical-task", help="The question it asks, in a sentence.")
@click.option("--description", help="What a reader should know of it.")
@click.option("--preparator", metavar="NUMBER|NAME", help="The container that prepares data.")
@click.option("--evaluator", metavar="NUMBER|NAME", help="The container that scores.")
@click.option("--reference-model", metavar="NUMBER|NAME", help="The model it was tried with.")
@click.option("--demo-dataset", metavar="URL|PATH", help="Archive or folder of demo data.")
@click.option(
    "--plan", "analysis_plan", metavar="FILE", help="YAML file: the analysis plan, what may leave."
)
@click.option("--audience", type=click.Choice(AUDIENCES), help="Who may see others' results.")
@click.option("--detail", type=click.Choice(DETAILS), help="How much of them.")
@click.option("--moment", type=click.Choice(MOMENTS), help="From when on.")
@click.option("--supersedes", metavar="NUMBER|NAME", help="What this is a new version of.")
def register(file: Path | None, **given: Any) -> None:
    """Register a benchmark from a YAML file, from options, or both (options win)."""
    from medperf.cli.benchmark_form import form_from
    from medperf.cli.documents import Document, read_document

    document = read_document(file) if file else Document(Path("options"), {}, {})
    said = {key: value for key, value in given.items() if value is not None}
    if isinstance(document.data, dict):
        document.data.update(_from_here(said, document.path.parent))
    with client() as server:
        form = form_from(document, lambda path, name: find_number(server.transport, path, name))
        benchmark = server.benchmarks.register(form)
    show_done(
        f"benchmark {benchmark.id} is registered ({benchmark.state}).",
        benchmark.model_dump(mode="json"),
        f"medperf benchmark submit {benchmark.id}",
    )


def _from_here(said: dict[str, Any], beside: Path) -> dict[str, Any]:
    # Paths in a file start from its folder, paths in options from where the person is.
    from medperf.cli.hosted import is_address

    policy = {key: said.pop(key) for key in ("audience", "detail", "moment") if key in said}
    if policy:
        said["release_policy"] = policy

    for key in ("demo_dataset", "analysis_plan"):
        if key in said and not is_address(said[key]) and beside != Path():
            said[key] = str(Path(said[key]).absolute())
    return said


@command.command(
    example="""
    medperf benchmark leaderboard 1
    medperf benchmark leaderboard 1 --html leaderboard.html --csv leaderboard.csv
    medperf benchmark leaderboard 1 --json
    """
)
@click.argument("reference", metavar="NUMBER|NAME")
@click.option("--by-site", is_flag=True, help="Show the primary metric per site, too.")
@click.option("--by-subgroup", is_flag=True, help="Show its planned subgroups and gaps, too.")
@click.option("--html", type=NEW_FILE, help="Write a page with charts to a new file.")
@click.option("--csv", type=NEW_FILE, help="Write one row per number to a new file.")
def leaderboard(
    reference: str, by_site: bool, by_subgroup: bool, html: Path | None, csv: Path | None
) -> None:
    """Show the models in order of the primary metric, and how sure it is, as far as you may see.

    What each number means is in docs/explanation/statistics.md.
    """
    from medperf.cli.leaderboard import show, write_files

    with connected() as transport:
        number = find_number(transport, "benchmarks", reference)
        found = transport.get(f"/api/v1/benchmarks/{number}/leaderboard")
    written = write_files(found, html=html, csv=csv)
    if wants_json():
        write_json(found)
    elif written:
        show_done(f"{' and '.join(map(str, written))} hold the leaderboard.", {})
    else:
        show(found, by_site=by_site, by_subgroup=by_subgroup)


@command.command(example="medperf benchmark trend 1\nmedperf benchmark trend 1 --json")
@click.argument("reference", metavar="NUMBER|NAME")
def trend(reference: str) -> None:
    """Show the primary metric over versions of models, datasets and the benchmark, with alarms."""
    from medperf.cli.comparing import show_trend

    with connected() as transport:
        number = find_number(transport, "benchmarks", reference)
        found = transport.get(f"/api/v1/benchmarks/{number}/trend")
    if wants_json():
        write_json(found)
    else:
        show_trend(found)


@command.command(example="medperf benchmark bundle 1 --out leaderboard.json")
@click.argument("reference", metavar="NUMBER|NAME")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A new file.")
def bundle(reference: str, out: Path) -> None:
    """Write the leaderboard with all that proves it, for 'medperf verify'."""
    from medperf.cli.bundles import write_bundle

    with connected() as transport:
        number = find_number(transport, "benchmarks", reference)
        found = transport.get(f"/api/v1/benchmarks/{number}/bundle")
    write_bundle(found, out)


@command.command(
    example="""
    medperf benchmark report 1 --out report.html
    medperf benchmark report 1 --out report.html --pdf report.pdf
    """
)
@click.argument("reference", metavar="NUMBER|NAME")
@click.option("--out", required=True, type=NEW_FILE, help="A new file: the page.")
@click.option("--pdf", type=NEW_FILE, help="The same as a PDF, too.")
def report(reference: str, out: Path, pdf: Path | None) -> None:
    """Write a report: question, cohorts, methods, results, failures, proof, checklists."""
    from medperf.cli.evidence import write_report

    write_report(reference, out, pdf)


@command.command(
    "evidence-pack",
    example="""
    medperf benchmark evidence-pack 1 --out evidence.zip
    """,
)
@click.argument("reference", metavar="NUMBER|NAME")
@click.option("--out", required=True, type=NEW_FILE, help="A new file: the pack.")
def evidence_pack(reference: str, out: Path) -> None:
    """Write a pack for a regulator: report, data, model cards and all that proves them.

    It is an RO-Crate in a BagIt bag, by the Five Safes profile, and is checked before it is
    written; docs/reference/evidence-pack.md says what is inside.
    """
    from medperf.cli.evidence import write_pack

    write_pack(reference, out)


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
