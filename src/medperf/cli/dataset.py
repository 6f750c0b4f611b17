"""``medperf dataset``: prepared data, which never leaves its site."""

from pathlib import Path
from typing import Any

import click

from medperf.cli import listing
from medperf.cli.asking import answer, confirm, on_terminal
from medperf.cli.at_site import acting_site, folder_option, person_options
from medperf.cli.command import Noun, wants_json
from medperf.cli.connection import connected, find, find_number
from medperf.cli.output import note, show_done, show_record, show_rows, write
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
_LOCAL = (
    Column("id", "id"),
    Column("name", "name"),
    Column("here", "preparation"),
    Column("at the server", "state"),
    Column("cases", "n_cases"),
    Column("fingerprint", "fingerprint"),
)
_PATH = click.Path(path_type=Path)
_REFERENCE = click.argument("reference", metavar="NUMBER|NAME")
_LIFECYCLE_REASON = click.option("--reason", default="", help="Why; the other side can read it.")


@click.group(cls=Noun)
def command() -> None:
    """Data that never leaves its site, and what is known of it elsewhere.

    With a site's folder (--folder or MEDPERF_SITE), commands act as that site, unless --profile
    names a login.
    """


def _list_here(given: dict[str, Any]) -> bool:
    place = acting_site(given.pop("folder"))
    if place is None or any(given.values()):
        return False
    from medperf.cli.site_datasets import rows_here

    show_rows(rows_here(place), _LOCAL, DESCRIBED.empty)
    return True


listing.add_ls(
    command,
    DESCRIBED,
    """
    medperf dataset ls --mine
    medperf dataset ls --benchmark 1
    medperf dataset ls --folder /srv/medperf
    """,
    options=[
        click.Option(
            ["--folder"],
            metavar="DIR",
            help="List those of this site, also unregistered ones (or set MEDPERF_SITE).",
        )
    ],
    instead=_list_here,
)


@command.command(
    example='medperf dataset show 2\nmedperf dataset show "our nuclei" --folder /srv/medperf'
)
@_REFERENCE
@folder_option
def show(reference: str, folder: str | None) -> None:
    """Show everything you may see of one dataset; at its site, where its files are."""
    place = acting_site(folder)
    if place is not None:
        from medperf.cli.site_datasets import record_here

        show_record(record_here(place, reference))
        return
    with connected() as transport:
        show_record(find(transport, "datasets", reference))


@command.command(
    example="""
    medperf dataset prepare --name "our nuclei" --benchmark 1 --data exports --labels labels
    medperf dataset prepare --name "our nuclei"
    """
)
@click.option("--name", required=True, help="What the dataset is called, here and at the server.")
@click.option("--benchmark", metavar="NUMBER|NAME", help="Prepare for this benchmark.")
@click.option("--preparator", metavar="NUMBER|NAME", help="Prepare with this container.")
@click.option("--data", type=_PATH, help="Folder of raw data; it is only read.")
@click.option("--labels", type=_PATH, help="Folder of raw labels; it is only read.")
@click.option("--description", default="", help="What a reader should know of it.")
@person_options
@folder_option
def prepare(
    name: str,
    benchmark: str | None,
    preparator: str | None,
    data: Path | None,
    labels: Path | None,
    description: str,
    name_of_person: str | None,
    role: str | None,
    folder: str | None,
) -> None:
    """Prepare raw data, or go on where an earlier attempt stopped."""
    from medperf.cli import site_datasets

    begin = site_datasets.Beginning(benchmark, preparator, data, labels, description)
    record = site_datasets.prepare(folder, name, begin, (name_of_person, role))
    show_done(
        f"{name} is {record['preparation']}: {record['n_cases']} cases, {record['fingerprint']}.",
        record,
        f'medperf dataset register "{name}"',
    )


@command.command(example='medperf dataset worklist "our nuclei"')
@_REFERENCE
@click.option("--all", "is_all", is_flag=True, help="List finished cases, too.")
@folder_option
def worklist(reference: str, is_all: bool, folder: str | None) -> None:
    """List the cases whose preparation waits for a person, and why."""
    from medperf.cli.site_datasets import worklist_of

    report = worklist_of(folder, reference, is_all=is_all)
    if not wants_json() and report["counts"]:
        write(", ".join(f"{number} {name}" for name, number in report["counts"].items()))
    columns = [Column(title, title.replace(" ", "_")) for title in ("case", "status name")]
    columns += [Column("comment", "comment"), Column("data", "data_path")]
    if wants_json():
        show_record(report)
    else:
        show_rows(report["cases"], columns, "No case waits for a person.")


@command.command(example='medperf dataset statistics "our nuclei"')
@_REFERENCE
@folder_option
def statistics(reference: str, folder: str | None) -> None:
    """Show the statistics of a prepared dataset, as they would be registered."""
    place = acting_site(folder)
    if place is not None:
        from medperf.cli.site_datasets import record_here

        record = record_here(place, reference)
    else:
        with connected() as transport:
            record = find(transport, "datasets", reference)
    show_record(record.get("statistics") or {})


@command.command(example='medperf dataset register "our nuclei"')
@_REFERENCE
@click.option("--supersedes", metavar="NUMBER|NAME", help="The dataset this is a new version of.")
@click.option("--yes", is_flag=True, help="Do not show what leaves and ask.")
@person_options
@folder_option
def register(
    reference: str,
    supersedes: str | None,
    yes: bool,
    name_of_person: str | None,
    role: str | None,
    folder: str | None,
) -> None:
    """Register a prepared dataset: name, fingerprint, number of cases and statistics leave."""
    from medperf.cli import site_datasets

    person = (name_of_person, role)
    asks = not yes and on_terminal() and not wants_json()
    with site_datasets.at(folder) as here:
        number = here.number_of(reference)
        if asks:
            show_record(here.leaving(number))
            for line in here.kept_back(number):
                note(f"stays here: {line}")
            confirm("May exactly this leave the site?", yes=False)
        record = here.register(number, person, supersedes)
    show_done(
        f"dataset {record['id']} is registered ({record['state']}).",
        record,
        f"medperf dataset submit {record['id']}",
    )


@command.command(example="medperf dataset submit 2")
@_REFERENCE
@_LIFECYCLE_REASON
@folder_option
def submit(reference: str, reason: str, folder: str | None) -> None:
    """Make a dataset operational; it does not change any more."""
    record = _act("submit", reference, reason, folder)
    show_done(
        f"dataset {record['id']} is {record['state']}.",
        record,
        f"medperf dataset associate {record['id']} --benchmark BENCHMARK",
    )


@command.command(example='medperf dataset withdraw 2 --reason "consent withdrawn" --yes')
@_REFERENCE
@_LIFECYCLE_REASON
@click.option("--yes", is_flag=True, help="Do not ask.")
@folder_option
def withdraw(reference: str, reason: str, yes: bool, folder: str | None) -> None:
    """Take a dataset back; its running executions are revoked and none follow."""
    confirm(f"withdraw dataset {reference}? Running executions are revoked.", yes=yes)
    record = _act("withdraw", reference, reason, folder)
    show_done(f"dataset {record['id']} is {record['state']}.", record)


@command.command(example='medperf dataset discard "first try" --reason "wrong export" --yes')
@_REFERENCE
@click.option("--reason", default="", help="Why; it stays in the history here.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@person_options
@folder_option
def discard(
    reference: str,
    reason: str,
    yes: bool,
    name_of_person: str | None,
    role: str | None,
    folder: str | None,
) -> None:
    """Delete what was prepared here, of a dataset that is not registered or was withdrawn.

    Raw data stay where they are. The name can be used again.
    """
    from medperf.cli import site_datasets

    confirm(f"delete what was prepared of {reference} on this machine? Raw data stay.", yes=yes)
    with site_datasets.at(folder) as here:
        record = here.discard(here.number_of(reference), reason, (name_of_person, role))
    show_done(f"{reference} is {record['preparation']}; its files are deleted.", record)


@command.command(example='medperf dataset associate "our nuclei" --benchmark 1')
@_REFERENCE
@click.option("--benchmark", required=True, metavar="NUMBER|NAME", help="Which to take part in.")
@click.option("--priority", default=0, type=click.IntRange(-100, 100), help="Higher runs earlier.")
@person_options
@folder_option
def associate(
    reference: str,
    benchmark: str,
    priority: int,
    name_of_person: str | None,
    role: str | None,
    folder: str | None,
) -> None:
    """Ask that a dataset takes part: its compatibility test runs first, here."""
    from medperf.cli import site_datasets

    with site_datasets.at(folder) as here:
        record = here.associate(
            here.number_of(reference), benchmark, priority, (name_of_person, role)
        )
    show_done(
        f"association {record['id']} is {record['state']}.",
        record,
        "medperf site start"
        if record["state"] == "approved"
        else f"the benchmark's owner decides: medperf association approve {record['id']}",
    )


_PASSPHRASE = click.option(
    "--passphrase-file",
    metavar="FILE",
    help="File whose first line is the passphrase; - reads standard input.",
)


@command.command(
    name="export",
    example='medperf dataset export "our nuclei" nuclei.sealed --passphrase-file secret.txt',
)
@_REFERENCE
@click.argument("file", type=_PATH)
@_PASSPHRASE
@folder_option
def export_dataset(
    reference: str, file: Path, passphrase_file: str | None, folder: str | None
) -> None:
    """Write a prepared dataset as one encrypted file, for another machine of this site."""
    from medperf.cli import site_datasets

    passphrase = _passphrase(passphrase_file)
    with site_datasets.at(folder) as here:
        record = here.export_to(here.number_of(reference), file, passphrase)
    show_done(
        f"{file} holds {record['name']}, encrypted, {record['fingerprint']}.",
        {**record, "file": str(file)},
        f"on the other machine: medperf dataset import {file}",
    )


@command.command(
    name="import", example="medperf dataset import nuclei.sealed --passphrase-file secret.txt"
)
@click.argument("file", type=_PATH)
@click.option("--name", help="Call it differently here.")
@_PASSPHRASE
@folder_option
def import_dataset(
    file: Path, name: str | None, passphrase_file: str | None, folder: str | None
) -> None:
    """Take in a dataset that another machine of this site exported; its fingerprint is verified."""
    from medperf.cli import site_datasets

    passphrase = _passphrase(passphrase_file)
    with site_datasets.at(folder) as here:
        record = here.import_from(file, passphrase, name)
    show_done(f"{record['name']} is {record['preparation']}, {record['fingerprint']}.", record)


def _passphrase(file: str | None) -> str:
    if file is not None and file != "-":
        return Path(file).read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
    return answer("Passphrase", file, flag="--passphrase-file", hide=True)


def _act(action: str, reference: str, reason: str, folder: str | None) -> dict[str, Any]:
    place = acting_site(folder)
    if place is None:
        with connected() as transport:
            number = find_number(transport, "datasets", reference)
            done: dict[str, Any] = transport.post(
                f"/api/v1/datasets/{number}/{action}", {"reason": reason}
            )
            return done
    from medperf.cli import site_datasets

    with site_datasets.at(place) as here:
        return here.act(here.number_of(reference), action, reason)
