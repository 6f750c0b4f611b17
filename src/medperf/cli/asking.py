"""Questions to a person: asked on a terminal only, and each has a flag that answers it."""

import os
import sys

import click

from medperf.domain.errors import CancelledError, InvalidRequestError


def on_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirm(question: str, *, yes: bool, flag: str = "--yes") -> None:
    """Go on only if ``yes`` was given or a person says so.

    Raises:
        CancelledError: the person said no.
        InvalidRequestError: nobody can be asked and the flag is missing.
    """
    if yes:
        return
    if not on_terminal():
        raise InvalidRequestError(
            f"this needs an answer and there is no terminal to ask on: {question}",
            hint=f"Add {flag} to answer yes.",
        )
    if not click.confirm(question, err=True):
        raise CancelledError("nothing was changed")


def answer(question: str, given: str | None, *, flag: str, hide: bool = False) -> str:
    """What was given with the flag, from stdin for ``-``, or what the person types.

    Raises:
        InvalidRequestError: nobody can be asked and the flag is missing, stdin is empty, or a file
            is named whose text is meant.
    """
    if given == "-":
        read = sys.stdin.readline().strip()
        if not read:
            raise InvalidRequestError(f"nothing came on standard input for {flag}")
        return read
    if given:
        if os.path.isfile(given):  # noqa: PTH113  (a long text is no path, and no error)
            raise InvalidRequestError(
                f"{given} is a file, and {flag} is followed by the text itself",
                hint=f"Read it from the file: {flag} - < {given}",
            )
        return given
    if not on_terminal():
        raise InvalidRequestError(
            f"{question.lower()} is needed and there is no terminal to ask on",
            hint=f"Give it with {flag}.",
        )
    typed: str = click.prompt(question, hide_input=hide, err=True)
    return typed.strip()
