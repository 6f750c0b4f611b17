"""Read a YAML file that a container wrote: plain values of bounded size, or one clear error.

It may not use aliases, with which a few lines stand for gigabytes, nor nest so deep that a parser
dies of it.
"""

import math
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from medperf.domain.errors import EmptyInputError, MalformedFileError
from medperf.site.stray_files import read_text

MAX_DEPTH = 64
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_table(path: Path, *, max_bytes: int, what: str) -> dict[str, Any]:
    """Read a mapping whose keys are text and whose values are JSON values.

    Keys of other kinds become text; times become text; a number that is not finite, or larger than
    a float can be, becomes None.

    Args:
        path: the file.
        max_bytes: how large it may be.
        what: what a person calls it, for instance ``preparation report``.

    Raises:
        EmptyInputError: there is no such file, or nothing is in it.
        MalformedFileError: it is too large, is no YAML, uses aliases, or holds no mapping.
        UnreadableFileError: it cannot be read.
    """
    text = read_text(path, max_bytes=max_bytes, what=what)
    if not text.strip():
        raise EmptyInputError(f"the {what} is empty")
    value = parse(text, what=what)
    if not isinstance(value, dict):
        raise MalformedFileError(f"the {what} is not a table of names and values")
    found: dict[str, Any] = plain(value)
    return found


def parse(text: str, *, what: str) -> Any:
    """Read a stranger's YAML text.

    Raises:
        MalformedFileError: it is no YAML, uses aliases, or is nested too deeply.
    """
    try:
        _require_simple(text, what)
        return yaml.load(text, _LOADER)  # noqa: S506  (a safe loader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise MalformedFileError(f"the {what}{line} is not YAML: {error.problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise MalformedFileError(f"the {what} is not YAML that can be read") from error


def plain(value: Any) -> Any:
    """A YAML value as a JSON value."""
    if isinstance(value, Mapping):
        return {_name(key): plain(child) for key, child in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(child) for child in value]
    if isinstance(value, int | float):
        return value if _fits(value) else None
    if value is None or isinstance(value, str):
        return value
    return value.isoformat() if isinstance(value, date) else str(value)


def _name(key: Any) -> str:
    return str(plain(key) if isinstance(key, int) else key)


def _fits(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # Python would not even write out the longest ones
        return False


def _require_simple(text: str, what: str) -> None:
    # Events come one by one; the fast loader would follow any depth until its stack overflows.
    depth = 0
    for event in yaml.parse(text, _LOADER):
        line = f", line {event.start_mark.line + 1}," if event.start_mark else ""
        if isinstance(event, yaml.AliasEvent):
            raise MalformedFileError(f"the {what}{line} uses an alias; write it out")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise MalformedFileError(f"the {what}{line} is nested more than {MAX_DEPTH} deep")
