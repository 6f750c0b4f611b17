"""A document as a PDF that screen readers can follow (PDF/UA-1), with no program beside Python.

The layout is ``templates/document.typ``. The document reaches it as data, never as markup, so no
text of others can be anything but text.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medperf.web.document import (
    Block,
    Document,
    Facts,
    Figure,
    Listing,
    Notice,
    Paragraph,
    Section,
    TableBlock,
)
from medperf.web.drawing import FONTS, draw, missing
from medperf.web.figures import Table

_WIDEST, _NARROWEST = 34, 5
_TEMPLATE = Path(__file__).parent / "templates" / "document.typ"


def render(document: Document, at: datetime) -> bytes:
    """Write the file; the same document and time give the same bytes.

    Raises:
        NotInstalledError: the libraries that write and draw are not installed.
    """
    try:
        import typst  # noqa: PLC0415 - heavy, and an extra
    except ImportError:
        raise missing("typst") from None
    return typst.compile(
        _TEMPLATE,
        format="pdf",
        font_paths=[FONTS],
        pdf_standards=["ua-1"],
        timestamp=int(at.timestamp()),
        sys_inputs={"document": json.dumps(_data(document, at), ensure_ascii=False)},
    )


def _data(document: Document, at: datetime) -> dict[str, Any]:
    made = at.astimezone(UTC)
    return {
        "title": document.title,
        "subtitle": document.subtitle,
        "footer": document.footer,
        "keywords": list(document.keywords),
        "date": [made.year, made.month, made.day],
        "sections": [_section(section) for section in document.sections],
    }


def _section(section: Section) -> dict[str, Any]:
    return {
        "title": section.title,
        "blocks": [_block(block) for block in section.blocks],
        "sections": [_section(part) for part in section.sections],
    }


def _block(block: Block) -> dict[str, Any]:
    match block:
        case Paragraph(text):
            return {"kind": "paragraph", "text": text}
        case Notice(text, tone):
            return {"kind": "notice", "text": text, "tone": tone.value}
        case Facts(entries, exact):
            return {
                "kind": "facts",
                "entries": [[term, said, term in exact] for term, said in entries],
            }
        case Listing(items):
            return {"kind": "listing", "items": list(items)}
        case TableBlock(caption, table):
            return {"kind": "table", "caption": caption, **_table(table)}
        case Figure(chart):
            return {
                "kind": "figure",
                "title": chart.title,
                "summary": chart.summary,
                "svg": draw(chart.spec),
                "table": _table(chart.table),
            }


def _table(table: Table) -> dict[str, Any]:
    return {
        "headers": list(table.headers),
        "rows": [list(row) for row in table.rows],
        "numeric": sorted(table.numeric),
        "exact": sorted(table.exact),
        "widths": _widths(table),
    }


def _widths(table: Table) -> list[int]:
    """How wide columns are to each other: as what is in them, but text may wrap."""
    columns = list(zip(table.headers, *table.rows, strict=True))
    widths = []
    for position, cells in enumerate(columns):
        longest = max(map(len, cells))
        most = longest if position in table.numeric else _WIDEST
        widths.append(max(_NARROWEST, min(longest, most)) + 1)
    return widths
