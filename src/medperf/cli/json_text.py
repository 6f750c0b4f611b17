"""A JSON document as a person reads it: nothing is cut, and long lists do not fill screens.

The same values in the same order as an indented document; numbers of one list share lines.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

WIDTH = 100
STEP = "  "


def json_text(value: Any, indent: str = "") -> str:
    """Set a document; what it says is what ``json.loads`` reads back."""
    deeper = indent + STEP
    if isinstance(value, Mapping) and value:
        parts = [f"{_plain(str(key))}: {json_text(child, deeper)}" for key, child in value.items()]
    elif isinstance(value, list | tuple) and value:
        if all(is_number(child) for child in value):
            parts = list(_wrapped([_plain(child) for child in value], WIDTH - len(deeper)))
        else:
            parts = [json_text(child, deeper) for child in value]
    else:
        return _plain(value)
    opening, closing = "{}" if isinstance(value, Mapping) else "[]"
    body = f",\n{deeper}".join(parts)
    return f"{opening}\n{deeper}{body}\n{indent}{closing}"


def is_number(value: Any) -> bool:
    """Whether a value is a number, which a truth value is not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _wrapped(words: list[str], width: int) -> Iterator[str]:
    line: list[str] = []
    for word in words:
        if line and len(", ".join([*line, word])) >= width:
            yield ", ".join(line)
            line = []
        line.append(word)
    yield ", ".join(line)
