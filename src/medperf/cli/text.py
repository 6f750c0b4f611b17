"""Text that is safe and fits: no control characters from elsewhere, widths as a terminal counts."""

import unicodedata
from collections.abc import Iterator

ELLIPSIS = "…"


def printable(text: str, keep: str = "") -> str:
    """Replace control characters (names come from strangers) except those in ``keep``."""
    if text.isprintable():
        return text
    return "".join(_visible(char, keep) for char in text)


def _visible(char: str, keep: str) -> str:
    if char in keep or char.isprintable():
        return char
    return " " if char in "\t\r\n" else "\N{REPLACEMENT CHARACTER}"


def width_of(text: str) -> int:
    """How many terminal cells ``text`` takes: East Asian wide characters take two."""
    return len(text) if text.isascii() else sum(_cells(char) for char in text)


def shorten(text: str, width: int) -> str:
    """Cut ``text`` to at most ``width`` cells; what was cut is marked with an ellipsis."""
    if width_of(text) <= width:
        return text
    return "".join(_fitting(text, width - 1)) + ELLIPSIS


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Fill ``text`` with spaces up to ``width`` cells."""
    space = " " * (width - width_of(text))
    return space + text if right else text + space


def _cells(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _fitting(text: str, width: int) -> Iterator[str]:
    for char in text:
        width -= _cells(char)
        if width < 0:
            return
        yield char
