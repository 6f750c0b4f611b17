"""What a command says on stdout: a table or a record for people, JSON for programs."""

import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from medperf.cli.command import wants_json
from medperf.cli.json_text import is_number
from medperf.cli.tables import Column, Row, brief, layout
from medperf.cli.text import printable

MOST_NUMBERS = 8
"""How many numbers of one list a person is shown."""


def write(text: str) -> None:
    """Write text to stdout, whatever its encoding can hold."""
    try:
        click.echo(text)
    except UnicodeEncodeError:
        encoding = sys.stdout.encoding or "ascii"
        click.echo(text.encode(encoding, "backslashreplace").decode(encoding))


def write_json(value: Any) -> None:
    """Write one JSON document."""
    write(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def note(text: str) -> None:
    """Write a remark for people to stderr, where it never mixes with the answer."""
    if not wants_json():
        click.echo(printable(text, "\n"), err=True)


def show_rows(rows: Iterable[Row], columns: Sequence[Column], empty: str) -> None:
    """Write a list; ``empty`` says what to do when there is nothing in it."""
    found = list(rows)
    if wants_json():
        write_json(found)
    elif not found:
        write(empty)
    else:
        write(layout(found, columns, terminal_width()))


def show_record(record: Mapping[str, Any]) -> None:
    """Write one thing with everything known of it."""
    if wants_json():
        write_json(record)
    else:
        write("\n".join(outline(record)))


def show_done(sentence: str, record: Mapping[str, Any], then: str = "") -> None:
    """Say what was done, and what usually follows; JSON holds the record instead."""
    if wants_json():
        write_json(record)
    else:
        write(printable(sentence))
        if then:
            write(f"Next: {then}")


def show_token(record: Mapping[str, Any], token_file: Path | None) -> None:
    """Show what holds a one-time token, or keep the token in a file for its owner alone."""
    if token_file is None:
        show_record(record)
        note("Hand the token over in private: it is shown only now and works once.")
        return
    with os.fdopen(os.open(token_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{record['token']}\n")
    show_record({**record, "token": None, "token_file": str(token_file)})


def outline(value: Any, indent: str = "") -> Iterator[str]:
    """Write nested values as indented lines, keys first; numbers of one list share a line."""
    if isinstance(value, Mapping):
        entries = [(f"{printable(str(key))}:", child) for key, child in value.items()]
    else:
        entries = [("-", child) for child in value]
    for label, child in entries:
        if isinstance(child, list | tuple) and child and all(map(is_number, child)):
            yield f"{indent}{label} {_numbers(child)}"
        elif isinstance(child, Mapping | list | tuple) and child:
            yield f"{indent}{label}"
            yield from outline(child, indent + "  ")
        else:
            shown = "none" if isinstance(child, Mapping | list | tuple) else brief(child)
            yield f"{indent}{label} {shown}"


def _numbers(values: Sequence[Any]) -> str:
    shown = ", ".join(brief(value) for value in values[:MOST_NUMBERS])
    if len(values) <= MOST_NUMBERS:
        return shown
    return f"{shown}, ... ({len(values)} numbers; --json shows them)"


def terminal_width() -> int | None:
    """How wide a table may be; a pipe or a file has no width."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
