"""One clear error, with a code, a hint and the right exit status; nothing is lost, nothing hangs."""

import os
import subprocess
import sys

import pytest

from medperf.cli.exit_codes import EXIT_CODES, exit_code_of
from medperf.cli.failures import as_known
from medperf.domain import errors

EVERY = list(errors.walk())


@pytest.mark.parametrize("cls", EVERY, ids=lambda cls: cls.__name__)
def test_each_error_has_an_exit_status_of_its_family(cls):
    assert 1 <= exit_code_of(cls) <= 130
    assert cls is errors.MedPerfError or exit_code_of(cls) != 1


def test_families_can_be_told_apart():
    assert len(set(EXIT_CODES.values())) == len(EXIT_CODES)


@pytest.mark.parametrize("cls", EVERY, ids=lambda cls: cls.__name__)
def test_an_error_of_the_server_ends_with_its_status(cls, logged_in, registry, monkeypatch):
    monkeypatch.setattr("medperf.cli.connection.ATTEMPTS", 1)
    registry.refusals["GET", "models/1"] = cls("the detail", hint="Do that.")
    ran = logged_in("model", "show", 1)
    assert (ran.status, ran.out) == (exit_code_of(cls), "")
    assert ran.err == f"error: the detail\ncode:  {cls.code}\nhint:  Do that.\n"


def test_an_error_is_json_where_json_was_asked_for(logged_in):
    ran = logged_in("model", "show", 1, "--json")
    assert (ran.status, ran.out) == (3, "")
    assert ran.problem == {
        "type": "urn:medperf:error:not-found",
        "title": errors.NotFoundError.title(),
        "detail": "there is no models 1",
        "code": "not-found",
        "hint": errors.NotFoundError.hint,
        "context": {},
        "exit_status": 3,
    }


def test_an_unknown_command_suggests_the_nearest(medperf):
    ran = medperf("datasets", "ls")
    assert ran.status == 2
    assert "Did you mean dataset?" in ran.err


def test_an_unknown_verb_suggests_the_nearest(medperf):
    ran = medperf("dataset", "lst")
    assert ran.status == 2
    assert "medperf dataset has no command 'lst'. Did you mean ls" in ran.err


def test_an_unknown_option_is_an_error_and_not_ignored(medperf):
    ran = medperf("dataset", "ls", "--colour", "red", "--json")
    assert (ran.status, ran.problem["code"]) == (2, "invalid-request")
    assert ran.problem["hint"] == "See 'medperf dataset ls --help'."


@pytest.mark.parametrize(
    "word", ["Infinity", "nan", "1e999", "None", "[1,2]", "{", "日本語", "a" * 5000]
)
def test_strange_words_are_only_words(word, logged_in):
    ran = logged_in("model", "show", word)
    assert (ran.status, "there is no model named" in ran.err) == (3, True)


def test_ctrl_c_is_a_cancellation(logged_in, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("medperf.cli.profiles.choose", interrupted)
    ran = logged_in("model", "ls")
    assert (ran.status, "cancelled" in ran.err) == (130, True)


def test_the_traceback_is_printed_only_when_asked_for(logged_in):
    assert "Traceback" not in logged_in("model", "show", 1).err
    assert "Traceback" in logged_in("model", "show", 1, "--verbose").err


def test_an_unforeseen_error_is_still_one_message(logged_in, monkeypatch):
    monkeypatch.setattr("medperf.cli.profiles.choose", lambda _: 1 / 0)
    ran = logged_in("model", "ls")
    assert (ran.status, ran.err.splitlines()[0]) == (
        1,
        "error: unexpected ZeroDivisionError: division by zero",
    )


def test_a_server_that_is_away_is_named(logged_in, registry, monkeypatch):
    monkeypatch.setattr("medperf.cli.connection.ATTEMPTS", 1)
    monkeypatch.setattr(registry, "respond", None)  # the handler breaks: no answer comes
    monkeypatch.setattr("socketserver.BaseServer.handle_error", lambda *_: None)
    ran = logged_in("model", "ls", "--json")
    assert (ran.status, ran.problem["code"]) == (10, "server-unreachable")


def test_files_that_cannot_be_read_are_named(tmp_path):
    error = as_known(PermissionError(13, "Permission denied", str(tmp_path)))
    assert (type(error), str(tmp_path) in str(error)) == (errors.UnreadableFileError, True)


def test_a_full_disk_is_one():
    assert type(as_known(OSError(28, "No space left on device"))) is errors.DiskFullError


def test_a_form_that_is_refused_here_reads_like_one_refused_there(logged_in):
    ran = logged_in("organization", "add", "--name", "a/b")
    assert (ran.status, ran.err.startswith("error: name: ")) == (2, True)


def test_control_characters_of_others_do_not_reach_the_terminal(logged_in, registry):
    registry.add("models", name="x\x1b[2Jy", description="a\r\nb", state="operation")
    for arguments in (("model", "ls"), ("model", "show", "1")):
        assert "\x1b" not in logged_in(*arguments).out


def test_a_reader_that_leaves_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    script = "import sys; from medperf.cli.main import main; main(['completion', 'bash'])"
    done = subprocess.run(
        [sys.executable, "-c", script], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (130, b"")


def test_a_file_that_is_no_text_is_one_error(medperf, tmp_path):
    (tmp_path / "plan.json").write_bytes(b"abc\xe9")
    ran = medperf("verify", "x.bundle", "--log-key", tmp_path / "plan.json")
    assert (ran.status, "not UTF-8, from byte 3 on" in ran.err) == (2, True)
