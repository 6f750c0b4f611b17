"""Lists, single things and acts look the same for every noun."""

import pytest

from medperf.cli import listing

NOUNS = [
    "organization",
    "user",
    "invitation",
    "container",
    "model",
    "benchmark",
    "association",
    "dataset",
    "execution",
    "result",
]


@pytest.mark.parametrize("noun", NOUNS)
def test_an_empty_list_says_so_and_what_to_do(noun, logged_in):
    ran = logged_in(noun, "ls")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith("No ")


@pytest.mark.parametrize("noun", NOUNS)
def test_an_empty_list_is_an_empty_list(noun, logged_in):
    assert logged_in(noun, "ls", "--json").json == []


def test_filters_go_to_the_server_under_its_names(logged_in, registry):
    registry.add("benchmarks", name="breast cancer", state="approved")
    ran = logged_in(
        "dataset", "ls", "--state", "operation", "--benchmark", "breast cancer", "--mine"
    )
    assert ran.out == "No datasets match these filters.\n"
    _, target, _ = registry.asked[-1]
    assert (
        target == "/api/v1/datasets?state=operation&benchmark_id=1&mine=true&newest=true&limit=100"
    )


def test_a_state_that_does_not_exist_is_refused_with_those_that_do(logged_in, registry):
    ran = logged_in("dataset", "ls", "--state", "published")
    assert (ran.status, "'development', 'operation', 'withdrawn'" in ran.err) == (2, True)
    assert registry.asked == []


def test_the_newest_come_last_and_older_ones_are_mentioned(logged_in, registry):
    for number in range(3):
        registry.add("models", name=f"m{number}", state="operation")
    ran = logged_in("model", "ls", "--limit", 2)
    assert [line.split()[1] for line in ran.out.splitlines()[1:]] == ["m1", "m2"]
    assert "newest 2" in ran.err


def test_programs_get_all_of_a_list_unless_they_set_a_limit(logged_in, registry, monkeypatch):
    monkeypatch.setattr(listing, "DEFAULT_LIMIT", 2)
    for number in range(3):
        registry.add("models", name=f"m{number}", state="operation")
    assert len(logged_in("model", "ls").out.splitlines()) == 3
    assert [one["name"] for one in logged_in("model", "ls", "--json").json] == ["m0", "m1", "m2"]
    limited = logged_in("model", "ls", "--json", "--limit", 1).json
    assert [one["name"] for one in limited] == ["m2"]


def test_unicode_long_and_odd_values_do_not_break_a_table(logged_in, registry):
    registry.add("models", name="肺がん " * 100, state="operation", version=float("1e308"))
    registry.add("models", name="", state=None, version=None)
    assert logged_in("model", "ls").status == 0


def test_a_thing_is_shown_by_number_or_name(logged_in, registry):
    registry.add("models", name="logistic regression", state="operation")
    by_number = logged_in("model", "show", "1", "--json").json
    assert logged_in("model", "show", "logistic regression", "--json").json == by_number


def test_a_name_that_several_have_lists_their_numbers(logged_in, registry):
    for state in ("withdrawn", "operation"):
        registry.add("models", name="twin", state=state)
    ran = logged_in("model", "show", "twin")
    assert (ran.status, "1 (withdrawn), 2 (operation)" in ran.err) == (2, True)


def test_an_act_says_what_became_of_the_thing(logged_in, registry):
    registry.add("models", name="m", state="development")
    ran = logged_in("model", "submit", "m", "--reason", "ready")
    assert "model 1 is after submit." in ran.out
    assert registry.asked[-1] == ("POST", "/api/v1/models/1/submit", {"reason": "ready"})


def test_a_final_act_needs_a_yes_where_nobody_can_be_asked(logged_in, registry):
    registry.add("models", name="m", state="operation")
    ran = logged_in("model", "withdraw", 1)
    assert (ran.status, "--yes" in ran.err) == (2, True)
    assert registry.things["models"][0]["state"] == "operation"
    assert logged_in("model", "withdraw", 1, "--yes").status == 0


def test_a_final_act_asks_a_person(logged_in, registry, monkeypatch):
    monkeypatch.setattr("medperf.cli.asking.on_terminal", lambda: True)
    monkeypatch.setattr("click.confirm", lambda *_, **__: False)
    registry.add("models", name="m", state="operation")
    ran = logged_in("model", "withdraw", 1)
    assert (ran.status, "nothing was changed" in ran.err) == (130, True)


def test_a_model_asks_to_take_part(logged_in, registry):
    registry.add("models", name="lr", state="operation")
    registry.add("benchmarks", name="breast cancer", state="approved")
    ran = logged_in("model", "associate", "lr", "--benchmark", "breast cancer")
    assert "medperf association approve 1" in ran.out
    body = registry.things["associations"][0]
    assert (body["kind"], body["model_id"], body["benchmark_id"]) == ("model", 1, 1)
