"""What a template asks for: parameters, read from a form, written into Cedar or a sentence.

A value read here is plain JSON and stays the same when it is read again, so that a policy can carry
the values it was made from. Texts become Cedar literals by escaping everything that could end one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from medperf.domain.errors import InvalidRequestError
from medperf.domain.identifiers import format_time, parse_time
from medperf.policy.request import cedar_time

Value = int | bool | str | list[int] | list[str]
MAX_ENTRIES = 500
MAX_LENGTH = 200
_LARGEST = 2**63 - 1  # Cedar's numbers end here
_DIGITS = re.compile(r"[0-9]{1,19}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class ParameterKind(StrEnum):
    """What a form field holds."""

    ORGANIZATIONS = "organizations"
    BENCHMARKS = "benchmarks"
    TEXTS = "texts"
    COUNT = "count"
    TIME = "time"
    CHOICE = "choice"
    FLAG = "flag"


_ENTITIES = {
    ParameterKind.ORGANIZATIONS: "Organization",
    ParameterKind.BENCHMARKS: "Benchmark",
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One field of a template's form; without a default it must be filled in."""

    name: str
    kind: ParameterKind
    title: str
    default: Value | None = None
    minimum: int = 0
    options: tuple[str, ...] = ()

    def read(self, value: Any) -> Value:
        """Make a value of what a form or a command line gave.

        Raises:
            InvalidRequestError: it is missing or of the wrong kind; the message names the field.
        """
        value = self.default if value is None else value
        if value is None:
            raise self._fault("is needed")
        match self.kind:
            case ParameterKind.ORGANIZATIONS | ParameterKind.BENCHMARKS:
                numbers = [self._whole(entry, 1) for entry in self._list(value)]
                return sorted(set(numbers))
            case ParameterKind.TEXTS:
                return sorted({self._text(entry) for entry in self._list(value)})
            case ParameterKind.COUNT:
                return self._whole(value, self.minimum)
            case ParameterKind.TIME:
                return self._time(value)
            case ParameterKind.CHOICE:
                if value not in self.options:
                    raise self._fault(f"is one of {', '.join(self.options)}")
                return str(value)
            case _:  # a flag
                if isinstance(value, bool):
                    return value
                raise self._fault("is yes or no (true or false)")

    def cedar(self, value: Value) -> str:
        """Write a value that was read here as Cedar text."""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, list):
            entity = _ENTITIES.get(self.kind)
            if entity is not None:
                return ", ".join(f'{entity}::"{number}"' for number in value)
            return ", ".join(literal(str(text)) for text in value)
        if self.kind is ParameterKind.TIME:
            return f"datetime({literal(cedar_time(parse_time(str(value))))})"
        return literal(value) if isinstance(value, str) else str(value)

    def words(self, value: Value) -> str:
        """Write a value that was read here for people."""
        if isinstance(value, list):
            return ", ".join(str(entry) for entry in value)
        if isinstance(value, bool):
            return "yes" if value else "no"
        if self.kind is ParameterKind.TIME:
            return f"{parse_time(str(value)):%Y-%m-%d %H:%M} UTC"
        return str(value)

    def _list(self, value: Any) -> list[Any]:
        entries = list(value) if isinstance(value, list | tuple | set | frozenset) else [value]
        if not 1 <= len(entries) <= MAX_ENTRIES:
            raise self._fault(f"holds between 1 and {MAX_ENTRIES} entries")
        return entries

    def _whole(self, value: Any, minimum: int) -> int:
        if isinstance(value, str) and _DIGITS.fullmatch(value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._fault("is a whole number")
        if not minimum <= value <= _LARGEST:
            raise self._fault(f"is at least {minimum}")
        return value

    def _text(self, value: Any) -> str:
        if isinstance(value, str) and value.isprintable() and 0 < len(value.strip()) <= MAX_LENGTH:
            return value.strip()
        raise self._fault(f"is a text on one line with at most {MAX_LENGTH} characters")

    def _time(self, value: Any) -> str:
        try:
            if isinstance(value, datetime):
                return format_time(value)
            if _DATE.fullmatch(value):
                return format_time(datetime.fromisoformat(value).replace(tzinfo=UTC))
            return format_time(parse_time(value))
        except (TypeError, ValueError, OverflowError) as error:
            raise self._fault("is a date, or a time with its zone: 2027-03-31T12:00Z") from error

    def _fault(self, what: str) -> InvalidRequestError:
        return InvalidRequestError(f"{self.name} ({self.title}) {what}")


def read_all(parameters: tuple[Parameter, ...], values: Mapping[str, Any]) -> dict[str, Value]:
    """Read the values of all parameters of a template.

    Raises:
        InvalidRequestError: a value is missing, unknown or of the wrong kind.
    """
    known = [parameter.name for parameter in parameters]
    unknown = sorted(set(values) - set(known))
    if unknown:
        expected = ", ".join(known) or "no parameters"
        raise InvalidRequestError(
            f"{', '.join(unknown)}: there is no such field; it has {expected}"
        )
    return {parameter.name: parameter.read(values.get(parameter.name)) for parameter in parameters}


def literal(text: str) -> str:
    """Write a text as a Cedar string literal."""
    return '"' + "".join(_escaped(char) for char in text) + '"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    return char if char.isprintable() else f"\\u{{{ord(char):x}}}"
