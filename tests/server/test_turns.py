"""Writers of one file go one at a time, in all processes."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from medperf.domain.errors import UnavailableError
from medperf.server.db.turns import Turns

HOLD = """
import sys
from pathlib import Path
from medperf.server.db.turns import Turns
with Turns(Path(sys.argv[1]), 5).turn():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_threads_have_turns_one_at_a_time(tmp_path: Path) -> None:
    turns = Turns(tmp_path / "data.sqlite", 120)
    inside, most = 0, 0

    def write() -> None:
        nonlocal inside, most
        for _ in range(50):
            with turns.turn():
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_turn_that_another_thread_keeps_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    turns = Turns(tmp_path / "data.sqlite", 0.01)
    with turns.turn(), pytest.raises(UnavailableError), turns.turn():
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="SQLite's own waiting has to do")
def test_a_turn_of_another_process_is_waited_for_until_that_process_ends(tmp_path: Path) -> None:
    database = tmp_path / "data.sqlite"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(UnavailableError), Turns(database, 0.01).turn():
            pass
        other.kill()
        other.wait()
        with Turns(database, 120).turn():
            pass


def test_a_turn_ends_with_its_block_however_it_ends(tmp_path: Path) -> None:
    turns = Turns(tmp_path / "data.sqlite", 0.01)
    with pytest.raises(ZeroDivisionError), turns.turn():
        raise ZeroDivisionError
    with turns.turn():
        pass
