"""Every error is complete: a stable code, a one-sentence title, a hint."""

import re

import pytest

from medperf.domain import errors

EVERY = list(errors.walk())


@pytest.mark.parametrize("cls", EVERY, ids=lambda cls: cls.__name__)
def test_each_class_has_a_kebab_case_code_of_its_own(cls):
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", cls.code)
    assert "code" in vars(cls)


@pytest.mark.parametrize("cls", EVERY, ids=lambda cls: cls.__name__)
def test_each_class_has_a_title_that_is_one_sentence(cls):
    assert re.fullmatch(r"[A-Z].*\.", cls.title())


@pytest.mark.parametrize("cls", EVERY, ids=lambda cls: cls.__name__)
def test_each_hint_is_a_sentence(cls):
    assert re.fullmatch(r"[A-Z].*\.", cls.hint)


def test_an_error_of_another_kind_becomes_one_that_says_what_it_was():
    assert errors.as_ours(KeyError("site")).detail == "unexpected KeyError: 'site'"
    ours = errors.GrantError()
    assert errors.as_ours(ours) is ours


def test_codes_are_unique():
    assert len(errors.by_code()) == len(EVERY)


def test_an_error_without_detail_says_its_title():
    assert str(errors.DuplicateError()) == "This exists already."


def test_an_error_keeps_detail_hint_and_context():
    error = errors.GrantError("grant 3 is used", hint="Ask again.", grant_id=3)
    assert (str(error), error.advice, error.context) == (
        "grant 3 is used",
        "Ask again.",
        {"grant_id": 3},
    )
