"""The files of an evidence pack, before there is any archive."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from medperf.domain.errors import ProofError
from medperf.evidence import leaderboard_page, tidy
from medperf.evidence.dossier import Dossier, Proof
from medperf.evidence.pack.crate import File, crate
from medperf.evidence.pack.croissant import croissant
from medperf.evidence.pack.instructions import instructions
from medperf.evidence.pack.model_card import model_card
from medperf.evidence.pack.workflow import workflow_files
from medperf.evidence.report import report
from medperf.provenance.canonical import canonical_bytes
from medperf.web import html, pdf
from medperf.web.drawing import draw

JSON, HTML, SVG = "application/json", "text/html", "image/svg+xml"
MARKDOWN, TEXT, LD = "text/markdown", "text/plain", "application/ld+json"


@dataclass(frozen=True, slots=True)
class Pack:
    """Everything in a pack: ``files`` by their path below its ``data`` folder."""

    dossier: Dossier
    proof: Proof
    files: dict[str, bytes]


def pack(dossier: Dossier) -> Pack:
    """Make all files; the same dossier gives the same bytes.

    Raises:
        ProofError: there is no bundle.
        NotInstalledError: the extra ``report`` is not installed.
    """
    if dossier.proof is None:
        raise ProofError("an evidence pack needs a bundle and the log's key")
    described = [*_described(dossier, dossier.proof)]
    files = {file.path: content for file, content in described}
    files |= workflow_files(dossier)
    metadata = crate(dossier, dossier.proof, [file for file, _ in described])
    files["ro-crate-metadata.json"] = written(metadata)
    return Pack(dossier, dossier.proof, dict(sorted(files.items())))


def written(value: Any) -> bytes:
    """JSON for people and programs."""
    return f"{json.dumps(value, indent=1, ensure_ascii=False)}\n".encode()


def _described(dossier: Dossier, proof: Proof) -> Iterator[tuple[File, bytes]]:
    board, benchmark = dossier.leaderboard, dossier.benchmark
    document = report(dossier)
    yield File("README.md", "How to read and verify this", MARKDOWN), instructions(dossier).encode()
    yield File("report.html", "Report", HTML), html.render(document).encode()
    yield (
        File("report.pdf", "Report on paper", "application/pdf"),
        pdf.render(document, board.as_of),
    )
    yield File("leaderboard.json", "Leaderboard", JSON), written(board.model_dump(mode="json"))
    yield File("leaderboard.csv", "Leaderboard, one number a row", "text/csv"), _csv(dossier)
    page = html.render(leaderboard_page.page(board))
    yield File("leaderboard.html", "Leaderboard with charts", HTML), page.encode()
    for chart in document.charts():
        yield File(f"charts/{chart.name}.svg", chart.title, SVG), draw(chart.spec).encode()
    yield (
        File("benchmark.json", "Benchmark record", JSON),
        written(benchmark.model_dump(mode="json")),
    )
    # In the form that its digest is of: sha256sum answers with the digest of the plan.
    plan = canonical_bytes(board.analysis_plan or benchmark.analysis_plan.model_dump(mode="json"))
    yield File("plan.json", "Analysis plan", JSON), plan
    yield File("proof/bundle.json", "Signed statements and proofs", JSON), proof.bundle
    yield File("proof/checkpoint.txt", "Checkpoint of the log", TEXT), proof.checkpoint.encode()
    yield File("proof/log-key.txt", "The log's key", TEXT), f"{proof.log_key}\n".encode()
    yield from _of_datasets(dossier)
    for model in dossier.models:
        title = f"Model card of {model.name}"
        yield File(f"models/{model.id}.md", title, MARKDOWN), model_card(dossier, model).encode()
    for result in proof.verdict.results:
        said = result.statement.predicate
        path = f"results/{said.grant_id}.json"
        title = f"Result of model {said.model_id} on dataset {said.dataset_id}"
        yield File(path, title, JSON), written(said.result)


def _csv(dossier: Dossier) -> bytes:
    return tidy.to_csv(dossier.leaderboard).encode()


def _of_datasets(dossier: Dossier) -> Iterator[tuple[File, bytes]]:
    for dataset in dossier.datasets:
        described = croissant(
            dataset,
            dossier.site_of(dataset.site_id),
            dossier.organizations.get(dataset.organization_id, "not named"),
            dossier.server,
        )
        title = f"Description of dataset {dataset.name}"
        yield File(f"datasets/{dataset.id}.croissant.json", title, LD), written(described)
