"""An item of a reporting checklist, and where its answer comes from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """``topic`` is in our own words: the guideline itself has the full text.

    ``answer`` names what the platform can say (see `answers`); None leaves it to the authors.
    ``is_partial`` says that the authors have more to add.
    """

    number: str
    topic: str
    answer: str | None = None
    is_partial: bool = False


@dataclass(frozen=True, slots=True)
class Checklist:
    """A guideline: its name, where it is published, a remark on its numbers, and its items."""

    name: str
    title: str
    source: str
    remark: str
    items: tuple[Item, ...]
