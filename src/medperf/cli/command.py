"""What every verb has: an example in its help, ``--json``, ``--verbose``, and a spelling aid."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import click

_JSON = "medperf.json"
_PROFILE = "medperf.profile"


def wants_json() -> bool:
    """Whether the caller asked for JSON."""
    context = click.get_current_context(silent=True)
    return bool(context and context.meta.get(_JSON))


def chosen_profile() -> str | None:
    """The profile named with ``--profile``, if one was."""
    context = click.get_current_context(silent=True)
    return context.meta.get(_PROFILE) if context else None


def _remember(key: str) -> Any:
    def remember(context: click.Context, _parameter: click.Parameter, value: Any) -> None:
        if value:
            context.meta[key] = value

    return remember


def _shared_options() -> list[click.Parameter]:
    return [
        click.Option(
            ["--json"],
            is_flag=True,
            expose_value=False,
            callback=_remember(_JSON),
            help="Write JSON to stdout, and errors as JSON to stderr.",
        ),
        click.Option(
            ["--profile"],
            metavar="NAME",
            expose_value=False,
            callback=_remember(_PROFILE),
            help="Use this login instead of the current one (or set MEDPERF_PROFILE).",
        ),
        click.Option(
            ["--verbose"],
            is_flag=True,
            expose_value=False,
            help="On an error, print the traceback too.",
        ),
    ]


class Verb(click.Command):
    """One command. ``example`` is shown in its help, one command a line."""

    def __init__(self, *arguments: Any, example: str = "", **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.example = example
        self.params += _shared_options()

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example after the options."""
        with formatter.section("Example" if "\n" not in self.example.strip() else "Examples"):
            for line in self.example.strip().splitlines():
                formatter.write(f"{'':>{formatter.current_indent}}{line.strip()}\n")
        super().format_epilog(context, formatter)


class Noun(click.Group):
    """The verbs of one noun."""

    command_class = Verb

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb, or suggest the nearest one."""
        refuse_unknown(self, context, args)
        return super().resolve_command(context, args)


def refuse_unknown(group: click.Group, context: click.Context, args: Sequence[str]) -> None:
    """Say what was probably meant when ``group`` has no command of this name.

    Raises:
        click.UsageError: with the nearest names.
    """
    name = args[0]
    known = group.list_commands(context)
    if name in known or name.startswith("-"):
        return
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    meant = f" Did you mean {' or '.join(near)}?" if near else ""
    raise click.UsageError(f"{context.command_path} has no command {name!r}.{meant}", context)
