"""Checklists as sections of a report."""

from collections import Counter
from collections.abc import Mapping

from medperf.evidence.checklists.answers import NOT_KNOWN, OF_DEVELOPMENT, answers
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
                "Topics are in the platform's own words; the guidelines have the full text, and a"
                " submission needs their own forms. The platform answers what it knows, and says"
                " where it knows nothing."
            ),
        ),
        tuple(_section(checklist, known) for checklist in CHECKLISTS),
    )


def status_of(item: Item, known: Mapping[str, str]) -> str:
    """``answered``, ``in part``, ``development`` (asked of those who develop) or ``not known``."""
    if item.of_development:
        return "development"
    if item.answer is None or item.answer not in known:
        return "not known"
    return "in part" if item.is_partial else "answered"


def answer_to(item: Item, known: Mapping[str, str]) -> str:
    """What the platform says to an item, also where that is that it does not know."""
    said = known.get(item.answer) if item.answer is not None else None
    if item.of_development:
        return OF_DEVELOPMENT if said is None else f"{OF_DEVELOPMENT} {said}"
    return NOT_KNOWN if said is None else said


def _section(checklist: Checklist, known: Mapping[str, str]) -> Section:
    rows = [
        (item.number, item.topic, status_of(item, known), answer_to(item, known))
        for item in checklist.items
    ]
    states = Counter(row[2] for row in rows)
    said = (
        f"{checklist.source}. Of {len(rows)} items, parts counted singly, {states['answered']} are"
        f" answered here, {states['in part']} in part, {states['not known']} are not known to the"
        " platform"
    )
    if states["development"]:
        said += f" and {states['development']} are asked of those who develop a model"
    notes = (said + ".", checklist.compared, checklist.remark)
    table = Table(("Item", "Topic", "State", "Answer"), tuple(rows))
    caption = f"{checklist.title}, item by item"
    return Section(
        checklist.title,
        f"checklist-{checklist.name}",
        (
            Paragraph(" ".join(note for note in notes if note)),
            TableBlock(caption, table, is_folded=True),
        ),
    )
