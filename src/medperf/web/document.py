"""A document as a value: sections of paragraphs, tables and charts, before it has any look.

`html` makes a page of it and `pdf` a file; both say the same, since all they have is this.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from medperf.web.figures import Chart, Table


class Tone(StrEnum):
    """How a notice wants to be read."""

    GOOD = "good"
    NOTE = "note"
    CAUTION = "caution"


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text."""

    text: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What a reader must not miss."""

    text: str
    tone: Tone = Tone.NOTE


@dataclass(frozen=True, slots=True)
class Facts:
    """Terms with what they are here; ``exact`` names those that are read letter by letter."""

    entries: tuple[tuple[str, str], ...]
    exact: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Listing:
    """Short points."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TableBlock:
    """A table with its caption; a ``folded`` one opens when asked to, where that is possible."""

    caption: str
    table: Table
    is_folded: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart, with its numbers as a table beside it."""

    chart: Chart


Block = Paragraph | Notice | Facts | Listing | TableBlock | Figure


@dataclass(frozen=True, slots=True)
class Section:
    """A part with a title. ``anchor`` is unique in the document."""

    title: str
    anchor: str
    blocks: tuple[Block, ...]
    sections: tuple["Section", ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """The whole. ``footer`` says what it was made from."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]
    footer: str
    keywords: tuple[str, ...] = field(default=())

    def charts(self) -> Iterator[Chart]:
        """Every chart, in reading order."""
        for section in self.sections:
            yield from _charts(section)


def _charts(section: Section) -> Iterator[Chart]:
    yield from (block.chart for block in section.blocks if isinstance(block, Figure))
    for part in section.sections:
        yield from _charts(part)
