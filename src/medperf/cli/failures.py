"""The one place where an error becomes words on stderr and an exit status."""

import errno
import json
import os
import traceback
from collections.abc import Iterable, Sequence
from typing import Any

import click

from medperf.cli.exit_codes import exit_code_of
from medperf.cli.text import printable
from medperf.domain import errors


def report(error: BaseException, arguments: Sequence[str]) -> int:
    """Write what went wrong to stderr, as JSON where ``--json`` was asked for.

    Returns:
        The exit status.
    """
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        return error.code  # whoever ends a program so has said why
    given = list(arguments)[: arguments.index("--")] if "--" in arguments else list(arguments)
    known = as_known(error)
    _write(_as_json(known) if "--json" in given else _as_text(known))
    if "--verbose" in given:
        _write("".join(traceback.format_exception(error)).rstrip())
    return exit_code_of(type(known))


def as_known(error: BaseException) -> errors.MedPerfError:
    """The error of ours that says what ``error`` means."""
    match error:
        case errors.MedPerfError():
            known = error
        case KeyboardInterrupt() | click.Abort():
            known = errors.CancelledError()
        case click.UsageError(ctx=context):
            path = context.command_path if context else "medperf"
            known = errors.InvalidRequestError(error.format_message(), hint=f"See '{path} --help'.")
        case click.ClickException():
            known = errors.InvalidRequestError(error.format_message())
        case OSError(errno=errno.ENOSPC):
            known = errors.DiskFullError(f"{error.filename or 'the disk'}: {error.strerror}")
        case OSError(filename=str() | os.PathLike() as path):
            known = errors.UnreadableFileError(f"{os.fspath(path)}: {error.strerror}")
        case UnicodeDecodeError(start=place):
            known = errors.MalformedFileError(
                f"what was to be read as text is not UTF-8, from byte {place} on",
                hint="Save the file as UTF-8, or name another one.",
            )
        case ValueError() if type(error).__name__ == "ValidationError" and hasattr(error, "errors"):
            known = errors.InvalidRequestError("; ".join(_invalid_fields(error.errors())))
        case _:
            known = errors.as_ours(error)
    return known


def _invalid_fields(found: Iterable[dict[str, Any]]) -> Iterable[str]:
    # A form that pydantic refused: the same words as the server would use.
    for fault in found:
        where = ".".join(str(part) for part in fault["loc"])
        yield f"{where}: {fault['msg']}" if where else str(fault["msg"])


def _as_json(error: errors.MedPerfError) -> str:
    return json.dumps(
        {
            "type": f"urn:medperf:error:{error.code}",
            "title": error.title(),
            "detail": error.detail,
            "code": error.code,
            "hint": error.advice,
            "context": error.context,
            "exit_status": exit_code_of(type(error)),
        },
        ensure_ascii=False,
        default=str,
    )


def _as_text(error: errors.MedPerfError) -> str:
    return printable(f"error: {error.detail}\ncode:  {error.code}\nhint:  {error.advice}", "\n")


def _write(text: str) -> None:
    try:
        click.echo(text, err=True)
    except UnicodeEncodeError:
        click.echo(text.encode("ascii", "backslashreplace").decode(), err=True)
