"""A model card: who made a model, what runs, how it did, and what is not known of it."""

from collections.abc import Iterator

from medperf.domain.ai_models import Model
from medperf.domain.leaderboards import LeaderboardRow
from medperf.evidence.dossier import Dossier
from medperf.web.numbers import NONE, count, estimate, seconds, size

_UNKNOWN = "Not known to the platform; ask the model's owner."


def model_card(dossier: Dossier, model: Model) -> str:
    """The card as Markdown."""
    return "\n".join([*_lines(dossier, model), ""])


def _lines(dossier: Dossier, model: Model) -> Iterator[str]:
    container = dossier.containers.get(model.container_id or 0)
    owner = dossier.organizations.get(model.organization_id, NONE)
    row = next((row for row in dossier.leaderboard.rows if row.model_id == model.id), None)
    yield f"# {_plain(model.name)}"
    yield ""
    yield f"- Owner: {_plain(owner)}"
    yield f"- Version: {model.version}, registered {model.created_at:%Y-%m-%d}, {model.state}"
    hidden = "not visible to the one for whom this was written"
    yield f"- Image: {hidden if container is None else container.image_digest}"
    if container is not None and container.parameters_digest:
        yield f"- Parameters: {container.parameters_digest}"
    if container is not None and container.additional_files:
        yield f"- Additional files: {container.additional_files.digest}"
    yield ""
    yield "## What it is"
    yield ""
    yield _plain(model.description) or _UNKNOWN
    yield ""
    yield "## Intended use, training data, limits"
    yield ""
    yield _UNKNOWN
    yield ""
    yield f"## Evaluation: {_plain(dossier.benchmark.name)}"
    yield ""
    if row is None:
        yield "No result is visible to the one for whom this was written."
        return
    yield from _evaluation(row)


def _evaluation(row: LeaderboardRow) -> Iterator[str]:
    yield "| metric | over all sites | cases | worst site |"
    yield "|---|---|---|---|"
    for cell in row.cells:
        if cell.class_label is None:
            found = estimate(cell.value, cell.interval)
            worst = _plain(cell.worst_site or NONE)
            yield f"| {cell.metric} | {found} | {count(cell.n)} | {worst} |"
    yield ""
    rank = NONE if row.rank is None else str(row.rank)
    if row.rank_from is not None:
        rank += f" (the data do not exclude {row.rank_from} to {row.rank_to})"
    yield f"- Rank: {rank}"
    yield f"- Results: {row.n_results}, missing: {row.n_missing}"
    yield f"- Failed cases: {row.n_failed_cases}, failed executions: {row.n_failed_executions}"
    if row.cost is not None:
        yield f"- Time a case: {seconds(row.cost.seconds_per_case)} (median)"
        yield f"- Peak memory: {size(row.cost.peak_memory_bytes)}"


def _plain(text: str) -> str:
    """Text of others, on one line and without markup."""
    flat = " ".join(text.split())
    for character in "\\`*_[]<>|#":
        flat = flat.replace(character, f"\\{character}")
    return flat
