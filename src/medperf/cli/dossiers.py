"""Gathering all that a person may see of a benchmark, for reports and evidence packs."""

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from medperf.cli import profiles
from medperf.cli.command import chosen_profile
from medperf.cli.connection import client, find_number, log_key_now
from medperf.cli.verify import verdict_of
from medperf.domain.errors import ForbiddenError, NotFoundError

if TYPE_CHECKING:
    from medperf.client.api import ServerClient
    from medperf.client.resources import Readable
    from medperf.domain.container_records import Container
    from medperf.domain.wire import Record
    from medperf.evidence.dossier import Dossier, Proof

    R = TypeVar("R", bound=Record)


def gather(reference: str) -> "Dossier":
    """Ask the server of the chosen login for everything about a benchmark.

    Raises:
        NotFoundError: there is no such benchmark, or it is not visible.
    """
    profile = profiles.choose(chosen_profile())
    with client() as server:
        number = find_number(server.transport, "benchmarks", reference)
        return dossier_of(server, number, log_key_now(profile))


def dossier_of(server: "ServerClient", number: int, log_key: str) -> "Dossier":
    """Everything about a benchmark; without a ``log_key`` there is no proof in it.

    Raises:
        NotFoundError: there is no such benchmark, or it is not visible.
    """
    from medperf.evidence.dossier import Dossier

    benchmark = server.benchmarks.get(number)
    models = tuple(server.models.list(benchmark_id=number))
    containers = {
        benchmark.preparator_id,
        benchmark.evaluator_id,
        *(model.container_id for model in models if model.container_id is not None),
    }
    return Dossier(
        server=server.transport.url,
        benchmark=benchmark,
        leaderboard=server.benchmarks.leaderboard(number),
        trend=server.benchmarks.trend(number),
        datasets=tuple(server.datasets.list(benchmark_id=number)),
        models=models,
        containers={each.id: each for each in _visible(server, sorted(containers))},
        executions=tuple(server.executions.list(benchmark_id=number)),
        organizations=_names(server.organizations),
        sites=_names(server.sites),
        proof=_proof(server, number, log_key) if log_key else None,
    )


def _visible(server: "ServerClient", numbers: Iterable[int]) -> "Iterator[Container]":
    for number in numbers:
        try:
            yield server.containers.get(number)
        except NotFoundError:
            # Not everybody may see what a model runs; the report says so.
            continue


def _names(things: "Readable[R]") -> dict[int, str]:
    try:
        return {thing.id: thing.name for thing in things.list()}  # type: ignore[attr-defined]
    except ForbiddenError:
        return {}


def _proof(server: "ServerClient", number: int, log_key: str) -> "Proof | None":
    from medperf.evidence.dossier import Proof
    from medperf.provenance.bundle import Bundle
    from medperf.provenance.notes import NoteKey

    try:
        found = server.transport.get(f"/api/v1/benchmarks/{number}/bundle")
    except NotFoundError:
        return None
    written = f"{json.dumps(found, ensure_ascii=False)}\n".encode()
    bundle = Bundle.from_bytes(written)
    verdict = verdict_of(bundle, NoteKey.from_text(log_key))
    return Proof(written, bundle.checkpoint, log_key, verdict)
