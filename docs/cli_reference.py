"""Writes ``docs/reference/cli.md`` from the commands themselves: ``python docs/cli_reference.py``.

A test runs ``render`` and compares, so the page is always what the program does.
"""

from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

import click

from medperf.cli.exit_codes import EXIT_CODES, exit_code_of
from medperf.cli.main import root
from medperf.cli.tree import SECTIONS
from medperf.domain import errors

PAGE = Path(__file__).parent / "reference" / "cli.md"
WIDTH = 96
SHARED = {"--json", "--profile", "--verbose", "--help"}

INTRODUCTION = """\
# Command line

<!-- Written by docs/cli_reference.py; do not edit. -->

One program, `medperf`, serves every role. Commands are a noun and a verb, as in
`medperf dataset ls`.

Every command has

- `--json`: the answer on stdout is one JSON document, and an error on stderr is one, too;
- `--profile NAME`: use this login instead of the current one (or set `MEDPERF_PROFILE`);
- `--verbose`: on an error, print the traceback, too;
- `--help`: what the command does, with an example.

Things are named by their number or, where they have one, their name. Questions are asked on a
terminal only, and each has an option that answers it. `medperf completion bash` (or `zsh`, `fish`)
prints the completion for your shell.

## Settings

| variable | meaning | default |
|---|---|---|
| `MEDPERF_HOME` | where logins are kept, readable by you alone | `~/.config/medperf` |
| `MEDPERF_PROFILE` | the login to use | the current one |
| `MEDPERF_SITE` | the site's folder | |
| `MEDPERF_SERVER` | the server's folder | |
"""

EXITS = """\
## Exit status

The status says who must act. An error's message, its code and a hint are written to stderr.

| status | meaning | codes |
|---|---|---|
| 0 | It worked. | |
"""


def render() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, _exits(), *_commands()])


def _exits() -> str:
    lines = []
    for family, status in sorted(EXIT_CODES.items(), key=lambda item: item[1]):
        codes = [cls.code for cls in errors.walk() if exit_code_of(cls) == status]
        lines.append(f"| {status} | {family.title()} | {', '.join(f'`{c}`' for c in codes)} |")
    return EXITS + "\n".join(lines) + "\n"


def _commands() -> Iterator[str]:
    context = click.Context(root, info_name="medperf")
    for title, branches in SECTIONS:
        yield f"## {title}\n"
        for branch in branches:
            command = root.get_command(context, branch.name)
            if command is None:
                raise LookupError(branch.name)
            yield from _describe(command, context, branch.name)


def _describe(command: click.Command, parent: click.Context, name: str) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent)
    if isinstance(command, click.Group):
        yield f"### medperf {name}\n"
        yield f"{cleandoc(command.help or '')}\n"
        for verb in command.list_commands(context):
            found = command.get_command(context, verb)
            if found is not None:
                yield from _describe(found, context, verb)
        return
    heading = "###" if parent.parent is None else "####"
    yield f"{heading} {context.command_path}\n"
    yield f"{' '.join((command.help or '').split())}\n"
    yield f"```text\n{_usage(command, context)}\n```\n"
    options = list(_options(command, context))
    if options:
        yield "| option | meaning |\n|---|---|\n" + "\n".join(options) + "\n"
    example = getattr(command, "example", "").strip()
    if example:
        lines = "\n".join(line.strip() for line in example.splitlines())
        yield f"```bash\n{lines}\n```\n"


def _usage(command: click.Command, context: click.Context) -> str:
    return " ".join([context.command_path, *command.collect_usage_pieces(context)])


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.get_params(context):
        if not isinstance(parameter, click.Option) or SHARED & set(parameter.opts):
            continue
        record = parameter.get_help_record(context)
        if record is not None:
            option, meaning = (" ".join(text.split()).replace("|", r"\|") for text in record)
            yield f"| `{option}` | {meaning} |"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
    print(f"wrote {PAGE}")
