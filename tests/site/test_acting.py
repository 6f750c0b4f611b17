"""Who decides at the site, as the operating system has it."""

import os
import pwd

import pytest

from medperf.domain.errors import ForbiddenError
from medperf.site.acting import Person, acting_person, system_user

ME = pwd.getpwuid(os.getuid()).pw_name


def test_a_person_is_the_user_who_logged_in(tmp_path):
    login = tmp_path / "loginuid"
    login.write_text("0")
    assert system_user(login) == pwd.getpwuid(0).pw_name


@pytest.mark.parametrize("text", [str(2**32 - 1), "", None])
def test_without_a_login_it_is_the_user_the_program_runs_as(tmp_path, text):
    login = tmp_path / "loginuid"
    if text is not None:
        login.write_text(text)
    assert system_user(login) == ME


def test_a_user_without_a_name_has_a_number(tmp_path):
    login = tmp_path / "loginuid"
    login.write_text("2147480000")
    assert system_user(login) == "uid 2147480000"


def test_the_environment_is_not_asked(monkeypatch, tmp_path):
    for name in ("USER", "LOGNAME", "SUDO_USER", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert system_user(tmp_path / "none") == ME


def test_a_user_decides_under_the_own_name():
    assert acting_person({}, user="ada") == Person("ada", "output checker")
    assert acting_person({}, user="ada", name=" ADA ", role="data owner") == Person(
        "ada", "data owner"
    )


def test_another_name_is_refused_and_the_hint_says_where_it_is_listed():
    with pytest.raises(ForbiddenError, match="may not decide as 'bea'") as refused:
        acting_person({"bea": ["bea"]}, user="ada", name="bea")
    assert "site set 'people=" in refused.value.advice


def test_a_listed_name_replaces_the_own_one():
    people = {"imaging": ["Dr. Ada", "Dr. Bea"]}
    assert acting_person(people, user="imaging").name == "Dr. Ada"
    assert acting_person(people, user="imaging", name="dr.  bea").name == "Dr. Bea"
    with pytest.raises(ForbiddenError):
        acting_person(people, user="imaging", name="imaging")
