"""What messages and hints tell people to type can be typed."""

import ast
import re
from pathlib import Path

import click
import pytest

import medperf
from medperf.cli.main import root

SOURCE = Path(medperf.__file__).parent
COMMAND = re.compile(r"\bmedperf ((?:[a-z]+(?:-[a-z]+)*\b[ ]?)+)((?:[^'\n.;,:)`]|\.(?=\w))*)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def _texts():
    for path in sorted(SOURCE.rglob("*.py")):
        if "templates" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = (v.value if isinstance(v, ast.Constant) else "1" for v in node.values)
                yield path, node.lineno, "".join(str(part) for part in parts)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield path, node.lineno, node.value


def _typed():
    """Each command line that stands in a text: where, its words, its options."""
    for path, line, text in _texts():
        for found in COMMAND.finditer(text):
            words, rest = found[1].split(), found[2]
            if words[0] in root.list_commands(click.Context(root)):
                yield f"{path.relative_to(SOURCE)}:{line}", words, OPTION.findall(rest)


def _resolved(words):
    """The command that the first words name, or the noun if they name no more."""
    command, context = root, click.Context(root)
    for word in words:
        if not isinstance(command, click.Group):
            break
        found = command.get_command(context, word)
        if found is None:
            return None
        command = found
    return command


TYPED = list(_typed())


def test_there_are_many():
    assert len(TYPED) > 100


@pytest.mark.parametrize(("place", "words", "options"), TYPED, ids=[each[0] for each in TYPED])
def test_a_command_that_a_text_names_exists(place, words, options):
    command = _resolved(words)
    assert command is not None, f"{place}: medperf {' '.join(words)}"
    known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
    assert set(options) <= known | {"--help", "--json", "--profile", "--folder"}
