"""The program ``medperf``: loads the one command that was asked for, and ends with its status."""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from medperf import __version__
from medperf.cli.command import refuse_unknown
from medperf.cli.tree import BRANCHES, SECTIONS


class ReaderLeftError(Exception):
    """Whoever read our output has gone."""


class LazyGroup(click.Group):
    """The root: knows its commands from a table and imports the one that is used."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """Every name, in the order of the help."""
        return list(BRANCHES)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Import the command."""
        branch = BRANCHES.get(name)
        if branch is None:
            return None
        command: click.Command = importlib.import_module(branch.module).command
        return command

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or suggest the nearest one."""
        refuse_unknown(self, context, args)
        return super().resolve_command(context, args)

    def invoke(self, context: click.Context) -> Any:
        """Run the command; click would end the process by itself when the reader of stdout left."""
        try:
            return super().invoke(context)
        except BrokenPipeError as error:
            raise ReaderLeftError from error

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table, section by section, without importing anything."""
        for title, branches in SECTIONS:
            with formatter.section(title):
                formatter.write_dl([(branch.name, branch.help) for branch in branches])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Each command explains itself: medperf dataset --help, medperf dataset ls --help.",
)
@click.version_option(__version__, prog_name="medperf")
def root() -> None:
    """Federated benchmarking of medical AI: the model travels, the data stays."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line and answer its exit status; nothing is raised."""
    try:
        answer: Any = root.main(list(arguments), prog_name="medperf", standalone_mode=False)
        sys.stdout.flush()
    except (ReaderLeftError, BrokenPipeError):
        return _reader_left()
    except BaseException as error:  # noqa: BLE001 - the one handler at the program's edge
        from medperf.cli.failures import report

        return report(error, arguments)
    return answer if isinstance(answer, int) else 0


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line of this process and exit."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def _reader_left() -> int:
    # What is still buffered goes nowhere, quietly; the status is that of a person's stop.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 130
