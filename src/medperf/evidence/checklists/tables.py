"""Checklists as sections of a report."""

from collections.abc import Mapping

from medperf.evidence.checklists.answers import AUTHORS, answers
from medperf.evidence.checklists.claim import CLAIM
from medperf.evidence.checklists.items import Checklist, Item
from medperf.evidence.checklists.stard_ai import STARD_AI
from medperf.evidence.checklists.tripod_ai import TRIPOD_AI
from medperf.evidence.dossier import Dossier
from medperf.web.document import Paragraph, Section, TableBlock
from medperf.web.figures import Table

CHECKLISTS = (STARD_AI, CLAIM, TRIPOD_AI)


def checklists(dossier: Dossier) -> Section:
    """Every checklist with what the platform can answer of it."""
    known = answers(dossier)
    return Section(
        "Checklists",
        "checklists",
        (
            Paragraph(
                "Topics are in the platform's own words; the guidelines have the full text. The"
                " platform answers what it knows. What it does not know is for the authors."
            ),
        ),
        tuple(_section(checklist, known) for checklist in CHECKLISTS),
    )


def status_of(item: Item, known: Mapping[str, str]) -> str:
    """``answered``, ``in part`` or ``authors``."""
    if item.answer is None or item.answer not in known:
        return "authors"
    return "in part" if item.is_partial else "answered"


def _section(checklist: Checklist, known: Mapping[str, str]) -> Section:
    rows = []
    for item in checklist.items:
        status = status_of(item, known)
        answer = AUTHORS if status == "authors" else known[item.answer or ""]
        rows.append((item.number, item.topic, status, answer))
    n_answered = sum(row[2] == "answered" for row in rows)
    n_part = sum(row[2] == "in part" for row in rows)
    said = (
        f"{checklist.source}. Of {len(rows)} items {n_answered} are answered here and {n_part} in"
        f" part. {checklist.remark}"
    )
    table = Table(("Item", "Topic", "State", "Answer"), tuple(rows))
    caption = f"{checklist.title}, item by item"
    return Section(
        checklist.title,
        f"checklist-{checklist.name}",
        (Paragraph(said), TableBlock(caption, table, is_folded=True)),
    )
