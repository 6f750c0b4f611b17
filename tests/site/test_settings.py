"""site.yaml: one setting a line, mistakes named by line, changes whole or not at all."""

import pytest

from medperf.domain.errors import InvalidRequestError, MalformedFileError
from medperf.site.settings import (
    Settings,
    SettingsFile,
    parse_settings,
    read_settings,
    set_settings,
    write_settings,
)

IDENTITY = "name: One\nserver: https://example.org\nlog_key: x\nsite_id: 3\norganization_id: 1\n"


@pytest.fixture
def path(tmp_path):
    place = tmp_path / "site.yaml"
    write_settings(
        place,
        Settings(
            name="One",
            server="https://example.org",
            log_key="x",
            site_id=3,
            organization_id=1,
        ),
    )
    return place


def test_settings_have_defaults():
    settings = parse_settings(IDENTITY)
    assert (settings.runner, settings.workers) == ("auto", 2)


def test_what_is_written_reads_the_same(path):
    assert read_settings(path) == parse_settings(IDENTITY)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (IDENTITY + "runner: none\n", "line 6: runner"),
        (IDENTITY + "# a comment\nspeed: 3\n", "line 7: speed: there is no such setting"),
        (IDENTITY + "runner: auto\nrunner: docker\n", "line 7: runner stands on line 6 already"),
        (IDENTITY + "workers: 0\n", "line 6: workers"),
        (IDENTITY + "a: [\n", "line 7"),
        ("name: One\n", "server: this setting is missing"),
        ("- a\n- b\n", "line 1: expected"),
        ("", "line 1: expected"),
        (IDENTITY + "runner: !!python/name:os.system\n", "line 6"),
    ],
)
def test_a_mistake_is_named_by_line(text, said):
    with pytest.raises(MalformedFileError, match=r"site\.yaml") as caught:
        parse_settings(text)
    assert said in caught.value.detail


def test_a_file_that_is_no_text_is_named(tmp_path):
    place = tmp_path / "site.yaml"
    place.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MalformedFileError, match="not UTF-8"):
        read_settings(place)


def test_setting_one_line_keeps_the_others(path):
    path.write_text(path.read_text() + "# our own note\n")
    before = path.read_text()
    assert set_settings(path, {"runner": "docker"}).runner == "docker"
    assert path.read_text() == before.replace("runner: auto", "runner: docker")


def test_a_setting_that_is_not_in_the_file_is_added(tmp_path):
    place = tmp_path / "site.yaml"
    place.write_text(IDENTITY)
    assert set_settings(place, {"gpus": "0,1"}).gpus == "0,1"
    assert place.read_text() == IDENTITY + "gpus: '0,1'\n"
    assert set_settings(place, {"gpus": "0"}).gpus == "0"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("speed", "3", "cannot be set; settings: runner"),
        ("site_id", "4", "cannot be set"),
        ("workers", "many", "workers cannot be 'many'"),
        ("workers", "[", "not YAML"),
        ("runner", "{a: 1}", "runner cannot be"),
    ],
)
def test_a_change_that_is_refused_changes_nothing(path, key, value, said):
    before = path.read_text()
    with pytest.raises(InvalidRequestError) as caught:
        set_settings(path, {key: value})
    assert said in caught.value.detail
    assert path.read_text() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["site.yaml"]


def test_a_running_program_sees_changes_and_survives_mistakes(path):
    file = SettingsFile(path)
    assert file.current().workers == 2
    set_settings(path, {"workers": "3"})
    assert file.current().workers == 3
    path.write_text("workers: [")
    assert file.current().workers == 3


def test_a_file_that_could_never_be_read_is_an_error(tmp_path):
    place = tmp_path / "site.yaml"
    place.write_text("a: [")
    with pytest.raises(MalformedFileError):
        SettingsFile(place).current()


def test_of_several_changes_all_are_made_or_none(path):
    before = path.read_text()
    with pytest.raises(InvalidRequestError, match="workers cannot be 'many'"):
        set_settings(path, {"runner": "docker", "workers": "many"})
    assert path.read_text() == before
    changed = set_settings(path, {"runner": "docker", "workers": "3"})
    assert (changed.runner, changed.workers) == ("docker", 3)


@pytest.mark.parametrize(("key", "meant"), [("Workers", "workers"), ("memory", "memory_bytes")])
def test_a_mistyped_setting_is_guessed(path, key, meant):
    with pytest.raises(InvalidRequestError) as raised:
        set_settings(path, {key: "2"})
    assert meant in raised.value.advice
