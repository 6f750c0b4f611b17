"""What of a dataset's statistics may leave: no counts of few people, nor what gives them away.

No plan declares statistics; a preparator writes what it likes. So the rules are general: a whole
number counts people, the numbers side by side in one table are the parts of one whole, and any
other number is a measurement of everybody. Suppressed paths are listed in what leaves, with a code
from a closed list.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medperf.policy.disclosure import Finding, significant

SUPPRESSED = "suppressed"
"""The key under which the suppressed paths are listed, each with its code."""

N_CASES = "n_cases"
SIGNIFICANT_DIGITS = 4
_CODES = ("too-small", "rest-too-small", "extreme", "too-close")
_EXTREMES = frozenset({"min", "max", "minimum", "maximum", "lowest", "highest", "range"})

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class EarlierStatistics:
    """The statistics of another dataset that left this site: the same preparator described it."""

    name: str
    n_cases: int
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DisclosedStatistics:
    """What may leave, and why the rest may not, for the site's own people."""

    values: dict[str, Any]
    findings: tuple[Finding, ...]


def disclose_statistics(
    statistics: Mapping[str, Any],
    *,
    smallest: int,
    n_cases: int,
    earlier: Iterable[EarlierStatistics] = (),
) -> DisclosedStatistics:
    """Suppress what gives few people away, round the rest, and list what was suppressed.

    Applied to what it answered it changes nothing.

    Args:
        statistics: what the preparator wrote, or what an earlier call answered.
        smallest: the site's smallest cell.
        n_cases: how many cases the dataset has.
        earlier: what left before, of other datasets; only those of almost the same size count.
    """
    others = [other for other in earlier if abs(other.n_cases - n_cases) < smallest]
    values, findings = dict(statistics), list[Finding]()
    while True:  # what one pass takes away may leave a rest for another
        found = _once(values, smallest, n_cases, others)
        values = found.values
        findings += found.findings
        if not found.findings:
            return DisclosedStatistics(values, tuple(findings))


def _once(
    statistics: Mapping[str, Any],
    smallest: int,
    n_cases: int,
    earlier: Iterable[EarlierStatistics],
) -> DisclosedStatistics:
    said = statistics.get(SUPPRESSED)
    listed = {
        str(path): code
        for path, code in (said.items() if isinstance(said, Mapping) else ())
        if code in _CODES
    }
    # Rounded first: a measurement may become what looks like a count.
    leaves = {
        path: _rounded(value) for path, value in _leaves(statistics, ()) if path[0] != SUPPRESSED
    }
    gone: dict[Path, Finding] = {}
    for path, value in leaves.items():
        if _is_number(value) and str(path[-1]).casefold() in _EXTREMES:
            _suppress(gone, path, "extreme", "an extreme is the value of one patient")
    for group in _groups(leaves):
        _small(group, is_table=_is_nested(group), smallest=smallest, n_cases=n_cases, gone=gone)
    for other in earlier:
        _close(leaves, other, gone)
    values = _pruned(statistics, (), set(gone))
    values.pop(SUPPRESSED, None)
    codes = listed | {_name(path): finding.code for path, finding in gone.items()}
    if codes:
        values[SUPPRESSED] = dict(sorted(codes.items()))
    return DisclosedStatistics(values, tuple(gone.values()))


def _small(
    group: Mapping[Path, int],
    *,
    is_table: bool,
    smallest: int,
    n_cases: int,
    gone: dict[Path, Finding],
) -> None:
    """Suppress small counts, and in a table the next ones that a total would give them away by."""
    few = {path: n for path, n in group.items() if 0 < n < smallest}
    for path, n in few.items():
        _suppress(gone, path, "too-small", f"it counts {n}, fewer than {smallest}")
    if not is_table:
        return
    unnamed = n_cases - sum(group.values())  # those of no category, if it is a partition
    untold = sum(few.values()) + (unnamed if 0 < unnamed < smallest else 0)
    left = sorted((n, path) for path, n in group.items() if n > 0 and path not in few)
    for n, path in left:
        if not 0 < untold < smallest:
            return
        text = "with the total it would give away the few that are not told"
        _suppress(gone, path, "rest-too-small", text)
        untold += n


def _close(leaves: Mapping[Path, Any], other: EarlierStatistics, gone: dict[Path, Finding]) -> None:
    """Suppress every table in which a number changed: the changes are a few people."""
    before = dict(_leaves(other.values, ()))
    changed = {
        path[:-1] if _is_count(value) and len(path) > 1 else path
        for path, value in leaves.items()
        if _is_number(value)
        and path != (N_CASES,)
        and _is_number(before.get(path))
        and _rounded(before[path]) != value
    }
    text = f"it differs from {other.name}, which has almost the same cases"
    for path, value in leaves.items():
        if _is_number(value) and (path in changed or path[:-1] in changed):
            _suppress(gone, path, "too-close", text)


def _suppress(gone: dict[Path, Finding], path: Path, code: str, message: str) -> None:
    gone.setdefault(path, Finding(code, _name(path), message))


def _groups(leaves: Mapping[Path, Any]) -> Iterator[dict[Path, int]]:
    """The counts that stand side by side; the number of cases itself is told in any case."""
    tables: dict[Path, dict[Path, int]] = {}
    for path, value in leaves.items():
        if _is_count(value) and path != (N_CASES,):
            tables.setdefault(path[:-1], {})[path] = value
    yield from tables.values()


def _is_nested(group: Mapping[Path, int]) -> bool:
    return len(next(iter(group))) > 1


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, Mapping):
        for key, child in value.items():
            yield from _leaves(child, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for index, child in enumerate(value):
            yield from _leaves(child, (*path, index))
    else:
        yield path, value


def _pruned(value: Any, path: Path, gone: set[Path]) -> Any:
    if isinstance(value, Mapping):
        return {
            str(key): _pruned(child, (*path, str(key)), gone)
            for key, child in value.items()
            if (*path, str(key)) not in gone
        }
    if isinstance(value, list | tuple):
        # A place in a list is kept: what follows would take another meaning.
        return [
            None if (*path, index) in gone else _pruned(child, (*path, index), gone)
            for index, child in enumerate(value)
        ]
    return _rounded(value)


def _rounded(value: Any) -> Any:
    if not isinstance(value, float) or not math.isfinite(value):
        return value
    return significant(value, SIGNIFICANT_DIGITS)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    # 91.0 is 91 written otherwise.
    return _is_number(value) and float(value).is_integer()


def _name(path: Sequence[str | int]) -> str:
    return ".".join(str(step) for step in path)
