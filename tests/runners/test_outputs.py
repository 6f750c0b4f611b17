"""What a step leaves is swept before anyone reads it."""

import os
import socket
import threading
from pathlib import Path

import pytest

from medperf.domain.errors import StepOutputError
from medperf.runners.outputs import Usage, delete, measure, sweep


@pytest.fixture
def output(tmp_path: Path) -> Path:
    (tmp_path / "out" / "deep").mkdir(parents=True)
    (tmp_path / "out" / "deep" / "file").write_text("text")
    return tmp_path / "out"


def test_plain_files_and_folders_are_counted(output: Path) -> None:
    assert sweep(output) == Usage(size_bytes=4 + sum(p.stat().st_size for p in (output, output / "deep")), files=1)  # fmt: skip


def test_a_single_file_can_be_an_output(output: Path) -> None:
    assert sweep(output / "deep" / "file") == Usage(4, 1)


@pytest.mark.parametrize("look", [sweep, lambda output: measure([output])])
def test_folders_nested_too_deeply_are_refused(output: Path, look) -> None:
    (output / "/".join("d" * 101)).mkdir(parents=True)
    with pytest.raises(StepOutputError, match="nested more than 100 deep"):
        look(output)


def test_however_deep_or_closed_it_is_it_can_be_deleted(output: Path, monkeypatch) -> None:
    (output / "closed").mkdir()
    (output / "closed" / "file").touch()
    (output / "closed").chmod(0)
    (output / "link").symlink_to(output.parent)
    monkeypatch.chdir(output)
    for _ in range(3000):
        os.mkdir("d")  # noqa: PTH102  (pathlib would walk the whole path)
        os.chdir("d")
    monkeypatch.undo()
    delete(output)
    assert list(output.parent.iterdir()) == []
    delete(output)


@pytest.mark.parametrize("target", ["/etc/passwd", "file", "..", "nowhere"])
def test_a_symbolic_link_is_refused_wherever_it_points(output: Path, target: str) -> None:
    (output / "deep" / "link").symlink_to(target)
    with pytest.raises(StepOutputError, match="symbolic link"):
        sweep(output)


def test_an_output_that_became_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("/etc")
    with pytest.raises(StepOutputError):
        sweep(tmp_path / "out")


def test_a_pipe_and_a_socket_are_refused(output: Path, monkeypatch) -> None:
    os.mkfifo(output / "pipe")
    with pytest.raises(StepOutputError, match="pipe"):
        sweep(output)
    (output / "pipe").unlink()
    monkeypatch.chdir(output)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
    with pytest.raises(StepOutputError, match="socket"):
        sweep(output)


def test_a_file_linked_from_elsewhere_is_refused(output: Path, tmp_path: Path) -> None:
    os.link(output / "deep" / "file", tmp_path / "elsewhere")
    with pytest.raises(StepOutputError, match="linked from somewhere else"):
        sweep(output)


def test_files_linked_among_themselves_are_fine(output: Path) -> None:
    os.link(output / "deep" / "file", output / "again")
    assert sweep(output).files == 2


def test_the_owner_gets_access_back_and_special_bits_go(output: Path) -> None:
    (output / "deep" / "file").chmod(0o6711)
    (output / "deep").chmod(0o000)
    sweep(output)
    assert (output / "deep").stat().st_mode & 0o7777 == 0o700
    assert (output / "deep" / "file").stat().st_mode & 0o7777 == 0o711


def test_the_message_never_names_the_file(output: Path) -> None:
    (output / "Jane Doe 1970").symlink_to("/")
    with pytest.raises(StepOutputError) as caught:
        sweep(output)
    assert "Jane" not in str(caught.value)


def test_measuring_does_not_follow_links(output: Path) -> None:
    before = measure([output])
    (output / "link").symlink_to("/usr")
    after = measure([output])
    assert after.files == before.files + 1
    assert after.size_bytes < before.size_bytes + 10_000


def test_a_sparse_file_counts_as_what_it_claims(output: Path) -> None:
    with (output / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    assert measure([output]).size_bytes > 1 << 40


def test_measuring_bears_a_tree_that_changes(output: Path) -> None:
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            for number in range(50):
                (output / str(number)).mkdir()
            for number in range(50):
                (output / str(number)).rmdir()

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(50):
            measure([output])
    finally:
        stop.set()
        thread.join()


def test_what_is_not_there_measures_nothing(tmp_path: Path) -> None:
    assert measure([tmp_path / "missing"]) == Usage(0, 0)
