"""Writes ``docs/reference/lifecycles.md`` from the tables: ``python docs/lifecycles_reference.py``.

A test runs ``render`` and compares, so the page is always what the program does.
"""

from collections.abc import Iterator
from pathlib import Path

from medperf.domain.lifecycle import ALL, JOB, PREPARATION, Lifecycle, Side

PAGE = Path(__file__).parent / "reference" / "lifecycles.md"

INTRODUCTION = """\
# Lifecycles

<!-- Written by docs/lifecycles_reference.py; do not edit. -->

Which state may follow which, and whose act it is. The tables of `medperf/domain/lifecycle.py` are
the only place in the program that knows; the diagrams below are drawn from them. An act that a
table does not have is refused with the error `transition`, and one that is somebody else's with
`forbidden` or `own-approval`.
"""

WHO = {
    Side.OWNER: "a person of the organization that the thing belongs to; for a dataset or a result"
    " also the key of its site",
    Side.COUNTERPART: "the other side, and never the one who asked",
    Side.EITHER: "either of the two sides",
    Side.ADMIN: "an admin of the server",
    Side.SITE: "the site's agent, with the site's key",
    Side.PERSON: "a person at the site",
    Side.SERVER: "the server by itself",
}

AT_THE_SITE = (PREPARATION, JOB)


def render() -> str:
    """The whole page."""
    parts = [INTRODUCTION, "\n".join(_who()), "## At the server\n"]
    parts += [_section(table) for table in ALL if table not in AT_THE_SITE]
    parts += ["## At a site\n", *(_section(table) for table in AT_THE_SITE)]
    return "\n".join(parts).rstrip() + "\n"


def _who() -> Iterator[str]:
    yield "| act of | who that is |"
    yield "|---|---|"
    for side, meaning in WHO.items():
        yield f"| {side.value} | {meaning} |"
    yield ""


def _section(table: Lifecycle) -> str:
    lines = [f"### {table.noun.capitalize()}", "", "```mermaid", "stateDiagram-v2"]
    lines.append(f"    [*] --> {table.initial}")
    lines += [f"    {t.source} --> {t.target}: {t.action}" for t in table.transitions]
    ends = [state for state in table.states if not any(table.from_state(state))]
    lines += [f"    {state} --> [*]" for state in ends]
    lines += ["```", "", "| act | from | to | act of |", "|---|---|---|---|"]
    for t in table.transitions:
        lines.append(f"| {t.action} | {t.source} | {t.target} | {t.by.value} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    PAGE.write_text(render())
