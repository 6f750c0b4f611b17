"""YAML files that people write, read so that each fault can name its line."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from medperf.domain.errors import MalformedFileError, UnreadableFileError

Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """The values of a file, and the line of each."""

    path: Path
    data: Any
    lines: Mapping[Place, int]

    def line_of(self, place: Sequence[str | int]) -> int:
        """The line of a value; of the nearest one around it if there is no such value."""
        wanted = tuple(place)
        while wanted and wanted not in self.lines:
            wanted = wanted[:-1]
        return self.lines.get(wanted, 1)

    def fault(self, place: Sequence[str | int], message: str) -> str:
        """Write one fault with its file and line."""
        where = ".".join(str(step) for step in place)
        at = f"{where}: " if where else ""
        return f"{self.path.name}, line {self.line_of(place)}: {at}{message}"

    def refuse(self, place: Sequence[str | int], message: str) -> MalformedFileError:
        """The error for one fault."""
        return MalformedFileError(self.fault(place, message))

    def require_json(self) -> None:
        """Insist that every value can be sent as JSON.

        Raises:
            MalformedFileError: naming each one that cannot.
        """
        found = [self.fault(*fault) for fault in _not_json(self.data, ())]
        if found:
            raise MalformedFileError("\n".join(found), hint="Put quotes around what is text.")


def read_document(path: Path) -> Document:
    """Read one YAML document; an empty file is an empty table.

    Raises:
        UnreadableFileError: it cannot be read as text.
        MalformedFileError: it is not YAML, or says a thing twice; the message names the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFileError(f"{path} cannot be read as text: {error}") from None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise MalformedFileError(f"{path.name}, line {line}: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise MalformedFileError(f"{path.name}: this is not YAML: {error}") from None
    lines: dict[Place, int] = {}
    for place, line in _places(node, ()):
        if place in lines:
            raise MalformedFileError(
                f"{path.name}, line {line}: {place[-1]!r} stands on line {lines[place]} already"
            )
        lines[place] = line
    return Document(path, {} if data is None else data, lines)


def _places(node: yaml.Node | None, place: Place) -> Iterator[tuple[Place, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            at = (*place, str(key.value))
            yield at, key.start_mark.line + 1
            yield from _places(value, at)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*place, index), value.start_mark.line + 1
            yield from _places(value, (*place, index))


def _not_json(value: Any, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(value, dict):
        for key, child in value.items():
            if isinstance(key, str):
                yield from _not_json(child, (*place, key))
            else:
                yield (*place, str(key)), f"the name {key!r} is not text"
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _not_json(child, (*place, index))
    elif isinstance(value, float) and not math.isfinite(value):
        yield place, f"{value} is not a number that JSON has"
    elif not isinstance(value, str | int | float | bool | None):
        yield place, f"a {type(value).__name__} is not a JSON value"
