"""A mapping of parameters, read key by key, so that every fault is named with its key."""

from typing import Any

from medperf.domain.errors import MalformedFileError

CASE = "{case}"


class Section:
    """``done`` refuses the keys that were not read.

    Every reading raises ``MalformedFileError`` if the value is of the wrong kind.
    """

    def __init__(self, name: str, document: Any) -> None:
        if not isinstance(document, dict):
            raise MalformedFileError(f"{name} must be a mapping of keys to values")
        self._name = name
        self._left = {str(key): value for key, value in document.items()}
        self._again: set[str] = set()

    def fault(self, key: str, wanted: str) -> MalformedFileError:
        """The error that says what ``key`` must be."""
        return MalformedFileError(f"{self._name}: '{key}' must be {wanted}")

    def holds(self, key: str) -> bool:
        """Whether ``key`` is there and was not read yet."""
        return key in self._left

    def optional_text(self, key: str) -> str | None:
        """Text, or None where the key is missing."""
        found = self._left.pop(key, None)
        if found is not None and not (isinstance(found, str) and found):
            raise self.fault(key, "text (quote it if YAML reads it as something else)")
        return found

    def text(self, key: str) -> str:
        """Text that must be there."""
        found = self.optional_text(key)
        if found is None:
            raise MalformedFileError(f"{self._name}: the key '{key}' is missing")
        return found

    def file_names(self, key: str) -> str:
        """A file name with ``{case}`` in it once. It can be read again: two readers want it."""
        found = self.text(key)
        if found.count(CASE) != 1:
            raise self.fault(key, f"a file name with {CASE} in it once")
        self._again.add(key)
        self._left[key] = found
        return found

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of distinct names."""
        found = self._left.pop(key, None)
        if not isinstance(found, list) or not found:
            raise self.fault(key, "a list of names")
        names = tuple(str(name) for name in found)
        if len(set(names)) < len(names):
            raise self.fault(key, "a list without repetitions")
        return names

    def text_map(self, key: str) -> dict[str, str]:
        """A mapping of names to text; empty where the key is missing."""
        found = self._left.pop(key, {})
        if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
            raise self.fault(key, "a mapping of names to text")
        return {str(name): value for name, value in found.items()}

    def number_map(self, key: str) -> dict[str, tuple[int, ...]]:
        """A mapping of names to one or more whole numbers."""
        found = self._left.pop(key, None)
        wanted = "a mapping of names to lists of whole numbers"
        if not isinstance(found, dict) or not found:
            raise self.fault(key, wanted)
        numbers: dict[str, tuple[int, ...]] = {}
        for name, given in found.items():
            several = given if isinstance(given, list) else [given]
            if not several or not all(type(one) is int for one in several):
                raise self.fault(key, wanted)
            numbers[str(name)] = tuple(several)
        return numbers

    def number(self, key: str, default: float, lowest: float, highest: float) -> float:
        """A number within a range."""
        found = self._left.pop(key, default)
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise self.fault(key, f"a number from {lowest:g} to {highest:g}")
        if not lowest <= found <= highest:
            raise self.fault(key, f"a number from {lowest:g} to {highest:g}")
        return float(found)

    def numbers(self, key: str) -> tuple[float, ...] | None:
        """A list of numbers above 0, or None where the key is missing."""
        found = self._left.pop(key, None)
        if found is None:
            return None
        if not isinstance(found, list) or not all(
            isinstance(one, int | float) and not isinstance(one, bool) and one > 0 for one in found
        ):
            raise self.fault(key, "a list of numbers above 0")
        return tuple(float(one) for one in found)

    def flag(self, key: str) -> bool:
        """True or false; false where the key is missing."""
        found = self._left.pop(key, False)
        if not isinstance(found, bool):
            raise self.fault(key, "true or false")
        return found

    def section(self, key: str) -> "Section":
        """A mapping that must be there."""
        if key not in self._left:
            raise MalformedFileError(f"{self._name}: the key '{key}' is missing")
        return Section(key, self._left.pop(key))

    def entries(self, key: str, *, needed: bool = True) -> list[Any]:
        """A list of anything, with at least one entry if ``needed``."""
        found = self._left.pop(key, [])
        if not isinstance(found, list) or (needed and not found):
            raise self.fault(key, "a list with at least one entry" if needed else "a list")
        return found

    def done(self) -> None:
        """Every key has been read, or there is one that nobody knows."""
        if unknown := [key for key in self._left if key not in self._again]:
            raise MalformedFileError(f"{self._name}: unknown key '{unknown[0]}'")
