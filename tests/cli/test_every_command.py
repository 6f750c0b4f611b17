"""Every command explains itself in the same way."""

import click
import pytest

from medperf.cli.main import root
from medperf.cli.tree import BRANCHES


def _commands(group, *path):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from _commands(command, *path, name)
        else:
            yield (*path, name), command


EVERY = list(_commands(root))
EACH = pytest.mark.parametrize(
    ("path", "command"), EVERY, ids=lambda v: "-".join(v) if isinstance(v, tuple) else ""
)


@EACH
def test_each_command_has_help_example_and_json(path, command, medperf):
    ran = medperf(*path, "--help")
    assert ran.status == 0
    assert f"medperf {' '.join(path)}" in command.example
    assert "--json" in ran.out
    assert command.help


@EACH
def test_each_example_is_a_command_line_that_could_be_typed(path, command):
    known = {option for parameter in command.params for option in parameter.opts}
    for word in command.example.split():
        if word.startswith("--") and word != "--":
            assert word.partition("=")[0] in known


@EACH
def test_each_option_has_help(path, command):
    silent = [p.name for p in command.params if isinstance(p, click.Option) and not p.help]
    assert silent == []


def test_the_help_of_the_root_lists_every_command(medperf):
    out = medperf("--help").out
    assert [name for name in BRANCHES if f"  {name} " not in out] == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_can_complete(shell, medperf):
    ran = medperf("completion", shell)
    assert "_MEDPERF_COMPLETE" in ran.out
    assert medperf("completion", shell, "--json").json["script"] + "\n" == ran.out
