"""Which server's folder an operator's command is about."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from medperf.domain.errors import InvalidRequestError

F = TypeVar("F", bound=Callable[..., Any])


def folder_option(function: F) -> F:
    """Add ``--folder`` to a command."""
    return click.option(
        "--folder", metavar="DIR", help="The server's folder (or set MEDPERF_SERVER)."
    )(function)


def require_folder(given: str | None) -> Path:
    """The folder as given, or MEDPERF_SERVER.

    Raises:
        InvalidRequestError: neither names one.
    """
    folder = given or os.environ.get("MEDPERF_SERVER")
    if not folder:
        raise InvalidRequestError(
            "which server? no folder was named", hint="Give --folder DIR or set MEDPERF_SERVER."
        )
    return Path(folder)
