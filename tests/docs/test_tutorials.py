"""The tutorials work as printed: their commands run in order, in one shell and one new folder.

Every ```bash block is run; each line of a ```text block below it must be part of what was said
(spaces aside). ``<!-- exits with N -->`` above a block announces a command that fails on purpose.
Only the port is another than printed: one that nobody on this machine has.
"""

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

TUTORIALS = Path(__file__).parents[2] / "docs" / "tutorials"
BLOCK = re.compile(
    r"(?:<!-- exits with (?P<status>\d+) -->\n)?^```(?P<kind>bash|text)\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
PRINTED_PORT = "8642"
TIMEOUT_S = 1800


@dataclass
class Block:
    page: str
    commands: str
    status: int
    expected: list[str]


def _blocks(page: Path, port: str = PRINTED_PORT) -> list[Block]:
    blocks: list[Block] = []
    for found in BLOCK.finditer(page.read_text().replace(PRINTED_PORT, port)):
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


def _free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return str(taken.getsockname()[1])


def _said(script: str, folder: Path, environment: dict[str, str]) -> str:
    """What the script says until it ends; what is left of it then is ended, too."""
    with (folder.parent / "said").open("w") as said:
        shell = subprocess.Popen(
            ["bash"],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=said,
            text=True,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
        try:
            shell.communicate(script, timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            said.write("=== too late\n")
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()
    return (folder.parent / "said").read_text()


def _squeezed(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT_S + 60)
def test_the_commands_of_the_tutorials_work_in_order(tmp_path):
    port = _free_port()
    blocks = [block for page in sorted(TUTORIALS.glob("*.md")) for block in _blocks(page, port)]
    environment = {
        **{key: os.environ[key] for key in os.environ if not key.startswith("MEDPERF_")},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "200",
    }
    folder = tmp_path / "practice"
    folder.mkdir()
    everything = _said(_script(blocks), folder, environment)
    assert "=== the end" in everything, everything[-6000:]
    said = re.split(r"^=== .*$", everything, flags=re.MULTILINE)[1:]
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
