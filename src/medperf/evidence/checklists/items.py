"""An item of a reporting checklist, and where its answer comes from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """``topic`` is in our own words: the guideline itself has the full text.

    ``answer`` names what the platform can say (see `answers`); None says that it knows nothing.
    ``is_partial`` says that the authors have more to add. ``of_development`` marks what is asked
    of studies that develop a model; a benchmark evaluates finished ones.
    """

    number: str
    topic: str
    answer: str | None = None
    is_partial: bool = False
    of_development: bool = False


@dataclass(frozen=True, slots=True)
class Checklist:
    """A guideline: where it is published, what its numbers were compared with, and its items.

    ``remark`` says to which benchmarks it applies, where not to all.
    """

    name: str
    title: str
    source: str
    compared: str
    items: tuple[Item, ...]
    remark: str = ""
