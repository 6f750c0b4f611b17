"""``medperf association``: datasets and models taking part in benchmarks."""

import json
from pathlib import Path
from typing import Any

import click

from medperf.cli import listing
from medperf.cli.command import Noun
from medperf.cli.connection import client, find_number
from medperf.cli.output import show_done
from medperf.cli.tables import Column
from medperf.domain.errors import MalformedFileError
from medperf.domain.lifecycle import ASSOCIATION

DESCRIBED = listing.Description(
    noun="association",
    path="associations",
    columns=(
        Column("id", "id"),
        Column("benchmark", "benchmark_id"),
        Column("kind", "kind"),
        Column("of", value=lambda row: row.get("dataset_id") or row.get("model_id")),
        Column("state", "state"),
        Column("asked by", "requested_by"),
        Column("decided by", "decided_by"),
        Column("reason", "reason"),
    ),
    filters=(
        listing.state_filter(ASSOCIATION),
        listing.Filter("kind", "kind", "Only these.", choices=("dataset", "model")),
        listing.BENCHMARK,
        listing.DATASET,
        listing.MODEL,
    ),
    empty="No associations yet. Next: medperf model associate --help, or dataset associate",
    has_name=False,
)


@click.group(cls=Noun)
def command() -> None:
    """Datasets and models taking part in benchmarks; the other side decides."""


listing.add_ls(
    command,
    DESCRIBED,
    "medperf association ls --state pending\nmedperf association ls --benchmark 1 --kind model",
)
listing.add_show(command, DESCRIBED, "medperf association show 4")
listing.add_acts(
    command,
    DESCRIBED,
    [
        listing.Act("approve", "Let it take part; the other side's act, never the requester's."),
        listing.Act("reject", "Refuse it; the other side's act."),
        listing.Act("withdraw", "End it.", final="Running executions are revoked, none follow."),
    ],
)


def ask_to_take_part(
    kind: str, reference: str, benchmark: str, compatibility: str | None, priority: int
) -> None:
    """Register an association of a model or a dataset with a benchmark, and say what follows."""
    from medperf.domain.associations import AssociationForm, AssociationKind

    with client() as server:
        subject = find_number(server.transport, f"{kind}s", reference)
        association = server.associations.register(
            AssociationForm(
                benchmark_id=find_number(server.transport, "benchmarks", benchmark),
                kind=AssociationKind(kind),
                dataset_id=subject if kind == "dataset" else None,
                model_id=subject if kind == "model" else None,
                compatibility=_compatibility(compatibility),
                priority=priority,
            )
        )
    show_done(
        f"association {association.id} is {association.state}.",
        association.model_dump(mode="json"),
        "nothing to do, work starts by itself"
        if association.state == "approved"
        else f"the other side decides: medperf association approve {association.id}",
    )


def _compatibility(file: str | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        document = json.loads(Path(file).read_text(encoding="utf-8"))
    except ValueError as error:
        raise MalformedFileError(f"{file} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise MalformedFileError(f"{file} is not the outcome of a compatibility test")
    return document
