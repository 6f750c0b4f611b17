"""Mount arguments as container engines read them: one line of CSV."""

from collections.abc import Iterable


def csv_line(fields: Iterable[str]) -> str:
    """Join fields so that a path may hold commas and quotes."""
    return ",".join(_quoted(field) for field in fields)


def _quoted(field: str) -> str:
    if any(character in field for character in ',"\n'):
        return '"' + field.replace('"', '""') + '"'
    return field
