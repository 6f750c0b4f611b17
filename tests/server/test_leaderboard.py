"""A leaderboard over real summaries, and what each release policy lets whom see of it."""

import copy
from collections.abc import Callable

import pytest
from leaderboard_arena import Arena
from server_fixtures import Federation

from medperf.domain.ai_models import ModelForm
from medperf.domain.errors import InvalidRequestError, NotFoundError
from medperf.domain.leaderboards import Leaderboard

Arenas = Callable[..., Arena]


def figures(board: Leaderboard) -> list[float | None]:
    return [row.cells[0].value for row in board.rows]


def test_the_committee_sees_how_sure_everything_is(arena: Arenas) -> None:
    board = arena().board("committee")
    assert [
        (row.model, row.rank, row.rank_from, row.rank_to, row.tie_group) for row in board.rows
    ] == [
        ("Net", 1, 1, 1, 1),
        ("Second", 2, 2, 2, 2),
    ]
    cell = board.rows[0].cells[0]
    assert [site.site for site in cell.sites] == ["East", "North", "West"]
    assert cell.worst_site == "West"
    assert all(site.interval is not None for site in cell.sites)
    assert cell.interval is not None
    [pair] = board.comparisons
    assert (pair.verdict, pair.n_sites) == ("superior", 3)
    assert board.rows[0].cells[1].calibration
    assert board.analysis_plan_digest.startswith("sha256:")
    assert board.analysis_plan["primary"] == "dsc"


def test_pooled_only_keeps_every_site_from_others(arena: Arenas) -> None:
    board = arena(audience="public", detail="pooled").board("outside")
    assert None not in figures(board)
    for row in board.rows:
        for cell in row.cells:
            assert (cell.sites, cell.worst_site) == ((), None)
    assert board.comparisons[0].interval is not None
    text = board.model_dump_json()
    assert not any(name in text for name in ("North", "East", "West"))


def test_pooled_only_does_not_let_a_hospital_subtract_itself(arena: Arenas) -> None:
    """Of two sites one is the hospital's own: what is left would be the other's figure."""
    made = arena(sites=2, audience="public", detail="pooled")
    assert figures(made.board("hospital")) == [None, None]
    assert made.board("hospital").comparisons == ()
    assert None not in figures(made.board("outside"))
    assert None not in figures(made.board("committee"))


def test_pseudonyms_hold_everywhere(arena: Arenas) -> None:
    made = arena(audience="public", pseudonymous_sites=True)
    board = made.board("outside")
    names = {site.site for site in board.rows[0].cells[0].sites}
    assert len(names) == 3
    assert all(name.startswith("site ") for name in names)
    assert board.rows[0].cells[0].worst_site in names
    text = board.model_dump_json()
    assert not any(name in text for name in ("North", "East", "West"))
    # In no order that gives the sites away: that of their pseudonyms.
    assert [site.site for site in board.rows[0].cells[0].sites] == sorted(names)
    assert "North" in {site.site for site in made.board("hospital").rows[0].cells[0].sites}


def test_owners_only_compare_what_they_see(arena: Arenas) -> None:
    made = arena(audience="owners")
    vendor = made.board("vendor")
    assert [row.model for row in vendor.rows] == ["Net"]
    assert vendor.comparisons == ()
    assert (vendor.rows[0].rank_from, vendor.rows[0].share_first) == (None, None)
    hospital = made.board("hospital")
    assert [row.n_results for row in hospital.rows] == [1, 1]
    [pair] = hospital.comparisons
    assert pair.n_sites == 1
    assert made.board("outside").rows == ()


def test_nothing_new_shows_before_the_moment(arena: Arenas) -> None:
    made = arena(audience="public", moment="complete")
    made.people["hospital"].client.results.act(made.results[0].id, "withdraw")
    board = made.board("outside")
    assert figures(board) == [None, None]
    assert board.comparisons == ()
    assert {row.cost for row in board.rows} == {None}
    assert "every model" in board.withheld_reason


def test_a_withdrawn_result_leaves_the_numbers_at_once(arena: Arenas) -> None:
    made = arena(audience="public")
    before = made.board("outside")
    made.people["hospital"].client.results.act(made.results[0].id, "withdraw")
    after = made.board("outside")
    by_model = {row.model: row for row in after.rows}
    assert (by_model["Net"].n_results, by_model["Net"].n_missing) == (2, 1)
    [pair] = after.comparisons
    assert (pair.n_sites, pair.notes) == (2, ("over 2 of 3 datasets: the others have one result",))
    assert before.comparisons[0].n_sites == 3


def test_a_benchmark_that_is_not_seen_has_no_leaderboard(federation: Federation) -> None:
    hidden = copy.copy(federation).benchmark(federation.cara, "Hidden", approve=False)
    with pytest.raises(NotFoundError):
        federation.olga.client.benchmarks.leaderboard(hidden.id)


# --- two models against each other ---


def test_the_planned_comparison_is_that_of_the_leaderboard(arena: Arenas) -> None:
    made = arena()
    net, second = made.models["Net"].id, made.models["Second"].id
    [planned] = made.board("committee").comparisons
    ask = made.people["committee"].client.benchmarks.compare
    assert ask(made.benchmark.id, net, second) == planned
    turned = ask(made.benchmark.id, second, net)
    assert (turned.first, turned.difference) == ("Second", -planned.difference)
    assert turned.interval.lower == -planned.interval.upper
    assert (planned.verdict, turned.verdict, turned.is_exploratory) == (
        "superior",
        "inferior",
        False,
    )


@pytest.mark.parametrize("asked", [{"metric": "auroc"}, {"margin": 0.02}])
def test_what_the_plan_does_not_fix_is_exploratory(arena: Arenas, asked) -> None:
    made = arena()
    found = made.people["committee"].client.benchmarks.compare(
        made.benchmark.id, made.models["Second"].id, made.models["Net"].id, **asked
    )
    assert found.is_exploratory
    assert found.p_adjusted is None
    assert found.p_value is not None
    assert found.interval is not None
    assert found.margin == asked.get("margin")


def test_a_comparison_that_cannot_be_is_refused(arena: Arenas) -> None:
    made = arena(audience="owners")
    number, net, second = made.benchmark.id, made.models["Net"].id, made.models["Second"].id
    ask = made.people["committee"].client.benchmarks.compare
    for wrong in ({"metric": "dice"}, {"margin": -1.0}):
        with pytest.raises(InvalidRequestError):
            ask(number, net, second, **wrong)
    with pytest.raises(InvalidRequestError, match="not with itself"):
        ask(number, net, net)
    with pytest.raises(NotFoundError):
        made.people["vendor"].client.benchmarks.compare(number, net, second)
    with pytest.raises(NotFoundError):
        made.people["outside"].client.benchmarks.compare(number, net, second)


def test_a_comparison_of_pooled_figures_is_not_of_one_site_alone(arena: Arenas) -> None:
    made = arena(sites=1, audience="public", detail="pooled")
    for asked in ({}, {"metric": "auroc"}):
        found = made.people["outside"].client.benchmarks.compare(
            made.benchmark.id, made.models["Net"].id, made.models["Second"].id, **asked
        )
        assert (found.difference, found.interval, found.n) == (None, None, 0)
        assert found.notes


# --- continuous benchmarks ---


def _next_version(made, quality: float):
    federation = made.federation
    container = federation.container(federation.vera, "model", "Net container 2")
    form = ModelForm(name="Net", container_id=container.id, supersedes_id=made.models["Net"].id)
    registered = federation.vera.client.models.register(form)
    model = federation.vera.client.models.act(registered.id, "submit")
    federation.associate(federation.vera, federation.cara, made.benchmark, model)
    made.models["Net 2"] = model
    work = {
        name: [
            item.model_id
            for item in actor.client.executions.work().items
            if item.benchmark_id == made.benchmark.id
        ]
        for name, (actor, _) in made.sites.items()
    }
    for name in made.sites:
        made.run(name, "Net 2", quality)
    return work


def test_a_new_version_of_a_model_runs_alone_and_raises_an_alarm_where_it_is_worse(
    arena: Arenas,
) -> None:
    made = arena()
    work = _next_version(made, 0.7)
    assert set(map(tuple, work.values())) == {(made.models["Net 2"].id,)}
    found = made.people["committee"].client.benchmarks.trend(made.benchmark.id)
    [line] = found.lines
    assert (line.kind, line.name) == ("model", "Net")
    first, second = line.points
    assert (first.version, second.version) == (1, 2)
    assert (first.is_worse, first.difference) == (False, None)
    assert second.is_paired
    assert second.is_worse
    assert second.difference_interval.upper < 0
    assert found.n_worse == 1
    row = next(r for r in made.board("committee").rows if r.model_id == second.id)
    assert (row.version, row.cells[0].value) == (2, second.value)


def test_a_version_that_is_as_good_raises_no_alarm(arena: Arenas) -> None:
    made = arena()
    _next_version(made, 0.8)
    found = made.people["committee"].client.benchmarks.trend(made.benchmark.id)
    assert found.n_worse == 0
    assert found.lines[0].points[1].p_adjusted is not None


def test_a_trend_shows_no_more_than_the_policy(arena: Arenas) -> None:
    made = arena(sites=1, audience="public", detail="pooled")
    _next_version(made, 0.6)
    [line] = made.people["outside"].client.benchmarks.trend(made.benchmark.id).lines
    assert {(p.value, p.difference, p.is_worse) for p in line.points} == {(None, None, False)}
    assert made.people["committee"].client.benchmarks.trend(made.benchmark.id).n_worse == 1


def test_a_new_version_of_a_dataset_counts_instead_of_the_former(arena: Arenas) -> None:
    made = arena(audience="public", pseudonymous_sites=True)
    federation = made.federation
    actor, former = made.sites["East"]
    preparator = actor.client.containers.get(made.benchmark.preparator_id)
    form = federation.dataset_form(actor, preparator, "East anew").model_copy(
        update={"name": former.name, "supersedes_id": former.id}
    )
    dataset = actor.client.datasets.act(actor.client.datasets.register(form).id, "submit")
    federation.associate(actor, federation.cara, made.benchmark, dataset)
    work = actor.client.executions.work().items
    assert {item.dataset_id for item in work} == {dataset.id}
    made.sites["East 2"] = (actor, dataset)
    made.run("East 2", "Net", 0.5)
    rows = {row.model: row for row in made.board("committee").rows}
    assert (rows["Net"].n_results, rows["Net"].n_missing) == (3, 0)
    assert (rows["Second"].n_results, rows["Second"].n_missing) == (3, 1)
    assert rows["Net"].cells[0].n == 60
    [line] = made.people["committee"].client.benchmarks.trend(made.benchmark.id).lines
    assert (line.kind, line.name, line.model, line.site) == ("dataset", "East", "Net", "East")
    assert line.points[1].is_worse
    assert not line.points[1].is_paired
    [hidden] = made.people["outside"].client.benchmarks.trend(made.benchmark.id).lines
    assert {point.id for point in hidden.points} == {None}
    assert hidden.name.startswith("site ")
    assert "East" not in hidden.model_dump_json()


def test_versions_of_a_benchmark_are_compared_on_the_same_patients(arena: Arenas) -> None:
    made = arena(sites=2)
    federation = made.federation
    former = made.benchmark
    form = federation.benchmark_form(
        federation.cara,
        "Arena",
        preparator_id=former.preparator_id,
        evaluator_id=former.evaluator_id,
        reference_model_id=former.reference_model_id,
        analysis_plan=former.analysis_plan,
        supersedes_id=former.id,
    )
    registered = federation.cara.client.benchmarks.register(form)
    federation.cara.client.benchmarks.act(registered.id, "submit")
    made.benchmark = federation.admin.client.benchmarks.act(registered.id, "approve")
    federation.associate(federation.vera, federation.cara, made.benchmark, made.models["Net"])
    for name, (actor, dataset) in made.sites.items():
        federation.associate(actor, federation.cara, made.benchmark, dataset)
        made.run(name, "Net", 0.6)
    found = federation.cara.client.benchmarks.trend(made.benchmark.id)
    [line] = found.lines
    assert (line.kind, line.model) == ("benchmark", "Net")
    assert [point.version for point in line.points] == [1, 2]
    assert line.points[1].is_paired
    assert line.points[1].is_worse
