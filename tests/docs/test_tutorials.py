"""The tutorials work as printed: their commands run in order, in one shell and one new folder.

Every ```bash block is run; each line of a ```text block below it must be part of what was said
(spaces aside). ``<!-- exits with N -->`` above a block announces a command that fails on purpose.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

TUTORIALS = Path(__file__).parents[2] / "docs" / "tutorials"
BLOCK = re.compile(
    r"(?:<!-- exits with (?P<status>\d+) -->\n)?^```(?P<kind>bash|text)\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
TIMEOUT_S = 500


@dataclass
class Block:
    page: str
    commands: str
    status: int
    expected: list[str]


def _blocks(page: Path) -> list[Block]:
    blocks: list[Block] = []
    for found in BLOCK.finditer(page.read_text()):
        if found["kind"] == "bash":
            blocks.append(Block(page.name, found["body"], int(found["status"] or 0), []))
        else:
            blocks[-1].expected += found["body"].splitlines()
    return blocks


def _script(blocks: list[Block]) -> str:
    parts = ["trap 'kill $(jobs -p) 2> /dev/null; wait' EXIT"]
    for number, block in enumerate(blocks):
        parts += [f"echo '=== block {number}'", block.commands.rstrip()]
        parts += [
            f'status=$?; [ $status = {block.status} ] || {{ echo "status $status"; exit 1; }}'
        ]
        if block.status == 0:
            parts[-2] = f"set -e\n{parts[-2]}\nset +e"
    return "\n".join([*parts, "echo '=== the end'"])


def _squeezed(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT_S + 60)
def test_the_commands_of_the_tutorials_work_in_order(tmp_path):
    blocks = [block for page in sorted(TUTORIALS.glob("*.md")) for block in _blocks(page)]
    environment = {
        **{key: os.environ[key] for key in os.environ if not key.startswith("MEDPERF_")},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "200",
    }
    done = subprocess.run(
        ["bash"],
        input=_script(blocks),
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert "=== the end" in done.stdout, done.stdout[-6000:]
    said = re.split(r"^=== .*$", done.stdout, flags=re.MULTILINE)[1:]
    for block, output in zip(blocks, said, strict=False):
        for line in block.expected:
            assert _squeezed(line) in _squeezed(output), f"{block.page}: {block.commands}\n{output}"


def test_each_tutorial_has_commands_and_says_what_they_answer():
    pages = sorted(TUTORIALS.glob("*.md"))
    assert len(pages) == 3
    for page in pages:
        blocks = _blocks(page)
        assert len(blocks) >= 5
        assert sum(bool(block.expected) for block in blocks) >= 3
