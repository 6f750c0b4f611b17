"""Where in a policy's text a fault is: Cedar's Python binding names the fault, not its place.

The text is cut into words and policies as Cedar reads it. A syntax error is found by parsing ever
longer beginnings of a policy until the same error appears; any other fault by the word it quotes.
"""

import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
      | "(?:[^"\\]|\\.)*"
      | [A-Za-z_][A-Za-z_0-9]* | [0-9]+
      | :: | && | \|\| | [<>=!]=
      | .""",
    re.VERBOSE | re.DOTALL,
)
_QUOTED = re.compile(r"`([^`]+)`|:\s*([A-Za-z_][A-Za-z_0-9]*)$")
_SYNTAX = ("unexpected token", "invalid token")


@dataclass(frozen=True, slots=True)
class Place:
    """A line and a column, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the text, and where it begins."""

    text: str
    offset: int


@dataclass(frozen=True, slots=True)
class Statement:
    """One policy: its words, up to and with its semicolon."""

    tokens: tuple[Token, ...]

    @property
    def start(self) -> int:
        """Where its first word begins."""
        return self.tokens[0].offset

    def source(self, text: str) -> str:
        """Its part of the text."""
        last = self.tokens[-1]
        return text[self.start : last.offset + len(last.text)]


def statements(text: str) -> list[Statement]:
    """Cut a text into policies; what follows the last semicolon is one, too."""
    cut: list[Statement] = []
    tokens: list[Token] = []
    for match in _TOKEN.finditer(text):
        if match["space"] is None:
            tokens.append(Token(match[0], match.start()))
            if match[0] == ";":
                cut.append(Statement(tuple(tokens)))
                tokens = []
    return [*cut, Statement(tuple(tokens))] if tokens else cut


def place(text: str, offset: int) -> Place:
    """Turn an offset into a line and a column."""
    line_start = text.rfind("\n", 0, offset) + 1
    return Place(text.count("\n", 0, offset) + 1, offset - line_start + 1)


def find_syntax_error(
    text: str, statement: Statement, message: str, fault_of: Callable[[str], str | None]
) -> int:
    """Find where a policy that does not parse goes wrong.

    Args:
        text: the whole policy set.
        statement: the policy that does not parse.
        message: what the parser says about it.
        fault_of: the parser: a text to its message, or None.
    """
    tokens = statement.tokens
    if not message.startswith(_SYNTAX):
        return find_quoted(statement, message)
    if message.endswith("`;`"):
        return tokens[-1].offset

    def is_included(count: int) -> bool:
        last = tokens[count - 1]
        beginning = text[statement.start : last.offset + len(last.text)]
        return fault_of(beginning + "\n;") == message

    count = bisect_left(range(1, len(tokens) + 1), x=True, key=is_included) + 1
    return tokens[min(count, len(tokens)) - 1].offset


def find_quoted(statement: Statement, message: str) -> int:
    """Find the first word of a policy that a message quotes, else the policy's beginning."""
    for match in _QUOTED.finditer(message):
        words = re.findall(r'"[^"]*"|[A-Za-z_][A-Za-z_0-9]*', match[1] or match[2])
        for wanted in reversed(words):
            for token in statement.tokens:
                if token.text == wanted:
                    return token.offset
    return statement.start
