"""``medperf agreement``: what organizations sign with one another, by the document's digest."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from medperf.cli import listing
from medperf.cli.command import Noun
from medperf.cli.connection import client, connected, find_number
from medperf.cli.output import show_done, show_rows
from medperf.cli.tables import Column
from medperf.domain.errors import (
    DigestMismatchError,
    EmptyInputError,
    InvalidRequestError,
    UnreadableFileError,
)
from medperf.domain.lifecycle import AGREEMENT

KINDS = ("membership", "data_use")
_CHUNK = 1 << 20


def _unsigned(row: Any) -> str:
    if row.get("state") != "proposed":
        return ""
    return ", ".join(p["name"] for p in row.get("parties", ()) if p["signed_by"] is None)


DESCRIBED = listing.Description(
    noun="agreement",
    path="agreements",
    columns=(
        Column("id", "id"),
        Column("kind", "kind"),
        Column("title", "title"),
        Column("parties", value=lambda row: ", ".join(p["name"] for p in row.get("parties", ()))),
        Column("state", "state"),
        Column("to sign", value=_unsigned),
        Column("from", "starts_at"),
        Column("until", "ends_at"),
    ),
    filters=(
        listing.state_filter(AGREEMENT),
        listing.Filter("kind", "kind", "Only these.", choices=KINDS),
        listing.ORGANIZATION,
        listing.BENCHMARK,
    ),
    empty="No agreements yet. Next: medperf agreement new --help",
    has_name=False,
)


@click.group(cls=Noun)
def command() -> None:
    """Membership and data-use agreements; policies can require one, and stop where it ends."""


@command.command(
    example="""
    medperf agreement new --kind data_use --title "Data use 2027" --document dua.pdf \
--party Hospital --party Vendor --until 2027-12-31
    medperf agreement new --kind membership --title Membership --document charter.pdf \
--party 1 --party 2 --from 2027-01-01 --until 2028-01-01 --benchmark 1
    """
)
@click.option("--kind", required=True, type=click.Choice(KINDS), help="What it is about.")
@click.option("--title", required=True, help="One line that names it.")
@click.option(
    "--document",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file that is agreed to; it stays here, its digest and size are sent.",
)
@click.option(
    "--party",
    "parties",
    required=True,
    multiple=True,
    metavar="NUMBER|NAME",
    help="An organization that signs; yours, too.",
)
@click.option("--from", "starts", metavar="TIME", help="From when on it holds.  [default: now]")
@click.option("--until", "ends", required=True, metavar="TIME", help="When it ends.")
@click.option("--benchmark", metavar="NUMBER|NAME", help="It holds for this benchmark only.")
@click.option("--dataset", metavar="NUMBER|NAME", help="It holds for this dataset only.")
@click.option("--model", metavar="NUMBER|NAME", help="It holds for this model only.")
def new(
    kind: str,
    title: str,
    document: Path,
    parties: tuple[str, ...],
    starts: str | None,
    ends: str,
    benchmark: str | None,
    dataset: str | None,
    model: str | None,
) -> None:
    """Propose an agreement; each party, yours too, then signs it."""
    from medperf.domain.agreements import AgreementForm
    from medperf.domain.clock import system_clock

    digest, size_bytes = digest_of_file(document)
    with client() as server:

        def number(path: str, reference: str | None) -> int | None:
            return None if reference is None else find_number(server.transport, path, reference)

        values = {
            "kind": kind,
            "title": title,
            "document_digest": digest,
            "document_size_bytes": size_bytes,
            "party_ids": [number("organizations", each) for each in parties],
            "benchmark_id": number("benchmarks", benchmark),
            "dataset_id": number("datasets", dataset),
            "model_id": number("models", model),
            "starts_at": _moment(starts, "--from") if starts else system_clock(),
            "ends_at": _moment(ends, "--until"),
        }
        agreement = server.agreements.register(AgreementForm.model_validate(values))
    show_done(
        f"agreement {agreement.id} is {agreement.state}; nobody has signed it yet.",
        agreement.model_dump(mode="json"),
        f"medperf agreement sign {agreement.id} --document {document}",
    )


listing.add_ls(
    command, DESCRIBED, "medperf agreement ls --state in_force\nmedperf agreement ls --json"
)
listing.add_show(command, DESCRIBED, "medperf agreement show 4")


@command.command(example="medperf agreement sign 4 --document dua.pdf")
@click.argument("number", type=click.IntRange(1))
@click.option(
    "--document",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file as you have it; it must be the one that was proposed.",
)
@click.option("--reason", default="", help="A remark; the other parties can read it.")
def sign(number: int, document: Path, reason: str) -> None:
    """Sign for your organization, with your own key where you have one."""
    with connected() as transport:
        _require_same(transport.get(f"/api/v1/agreements/{number}"), document)
        record = listing.perform_act(transport, DESCRIBED, number, "sign", reason)
    waiting = _unsigned(record)
    show_done(
        f"agreement {number} is {record['state']}"
        + (f"; still to sign: {waiting}." if waiting else ", every party has signed."),
        record,
    )


listing.add_acts(
    command,
    DESCRIBED,
    [
        listing.Act(
            "terminate",
            "End it before its term, for every party.",
            final="Work that needs it stops at once.",
        )
    ],
)


@command.command(example="medperf agreement check 4 --document dua.pdf")
@click.argument("number", type=click.IntRange(1))
@click.option(
    "--document",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to compare.",
)
def check(number: int, document: Path) -> None:
    """Say whether a file is the document of an agreement, and who signed it."""
    with connected() as transport:
        agreement = transport.get(f"/api/v1/agreements/{number}")
    _require_same(agreement, document)
    rows = [
        {**party, "vouched_by": _voucher(party), "statement": None}
        for party in agreement["parties"]
    ]
    columns = (
        Column("party", "name"),
        Column("signed by", "signed_by"),
        Column("at", "signed_at"),
        Column("vouched for by", "vouched_by"),
    )
    show_rows(rows, columns, "")


@command.command(example="medperf agreement bundle 4 --out agreement-4.json")
@click.argument("number", type=click.IntRange(1))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A new file.")
def bundle(number: int, out: Path) -> None:
    """Write every signature with all that proves it, for 'medperf verify'."""
    from medperf.cli.bundles import write_bundle

    with connected() as transport:
        found = transport.get(f"/api/v1/agreements/{number}/bundle")
    write_bundle(found, out)


def digest_of_file(path: Path) -> tuple[str, int]:
    """The digest and the size of a document.

    Raises:
        EmptyInputError: it is missing or empty.
        UnreadableFileError: it cannot be read.
    """
    found, size_bytes = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while part := file.read(_CHUNK):
                found.update(part)
                size_bytes += len(part)
    except FileNotFoundError:
        raise EmptyInputError(f"there is no document {path}") from None
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be read: {error}") from None
    if not size_bytes:
        raise EmptyInputError(f"the document {path} is empty")
    return f"sha256:{found.hexdigest()}", size_bytes


def _require_same(agreement: dict[str, Any], document: Path) -> None:
    digest, size_bytes = digest_of_file(document)
    if digest != agreement["document_digest"]:
        raise DigestMismatchError(
            f"{document} ({size_bytes} bytes, {digest}) is not the document of agreement"
            f" {agreement['id']} ({agreement['document_size_bytes']} bytes,"
            f" {agreement['document_digest']})",
            hint="Ask the other parties for the file that was agreed to; do not sign this one.",
        )


def _voucher(party: dict[str, Any]) -> str:
    if party["signed_by"] is None:
        return "nobody, not signed"
    return party["key_id"] or "the server"


def _moment(text: str, flag: str) -> datetime:
    from medperf.domain.identifiers import parse_time

    try:
        found = datetime.fromisoformat(text)
        is_date = len(text) == len("2027-01-01")
        return found.replace(tzinfo=UTC) if is_date else parse_time(text)
    except ValueError as error:
        raise InvalidRequestError(
            f"{flag}: {text!r} is not a date, or a time with its zone such as 2027-03-31T12:00Z"
        ) from error
