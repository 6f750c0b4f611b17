"""A leaderboard over real summaries, and what each release policy lets whom see of it."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from server_fixtures import Federation, PersonActor, SiteActor
from simulated_sites import PLAN, Site

from medperf.domain.ai_models import Model
from medperf.domain.benchmarks import Benchmark, ReleasePolicy
from medperf.domain.datasets import Dataset
from medperf.domain.errors import NotFoundError
from medperf.domain.leaderboards import Leaderboard
from medperf.domain.results import Result, TypedResult

QUALITIES = {"Net": 0.8, "Second": 0.7}


@dataclass
class Arena:
    """Three sites of two hospitals and two models of two vendors, every result approved."""

    federation: Federation
    benchmark: Benchmark
    models: Mapping[str, Model]
    sites: Mapping[str, tuple[SiteActor, Dataset]]
    people: Mapping[str, PersonActor]
    results: list[Result] = field(default_factory=list)

    def board(self, who: str) -> Leaderboard:
        return self.people[who].client.benchmarks.leaderboard(self.benchmark.id)

    def run(self, site: str, model: str, quality: float, *, approve: bool = True) -> Result:
        actor, dataset = self.sites[site]
        number = list(self.sites).index(site) + 1
        document = Site(number, n=20, shift=0.02 * number).document(
            quality, seed=self.models[model].id
        )
        answer = self.federation.request_grant(actor, self.benchmark, self.models[model], dataset)
        assert answer.execution is not None, answer.problem
        actor.client.executions.act(answer.execution.id, "start")
        form = self.federation.result_form(actor, answer, wire_of(document))
        result = actor.client.results.submit(form)
        if approve:
            self.federation.cara.client.results.act(result.id, "approve")
        self.results.append(result)
        return result


def wire_of(document: TypedResult) -> dict[str, Any]:
    """The document with the summaries that leaderboards need most."""
    wire = document.model_dump(mode="json", exclude_none=True)
    for metric in wire["metrics"]:
        kept = {"standard_error", "replicates"}
        metric["summary"] = {k: v for k, v in metric["summary"].items() if k in kept}
    return wire


def arena(federation: Federation, sites: int = 3, **policy) -> Arena:
    """A benchmark with this policy; its first two sites belong to different hospitals."""
    first = federation.benchmark_record
    benchmark = federation.benchmark(
        federation.cara,
        "Arena",
        preparator_id=first.preparator_id,
        evaluator_id=first.evaluator_id,
        reference_model_id=first.reference_model_id,
        analysis_plan=PLAN,
        release_policy=ReleasePolicy(**policy),
    )
    wanda = federation.person(federation.organization("Second vendor"), "Wanda")
    clinic = federation.organization("Clinic")
    clio = federation.person(clinic, "Clio")
    actors = {"North": federation.north}
    actors |= {name: federation.site(clinic, name) for name in ("East", "West")}
    held = {
        name: (
            actor,
            federation.cases if name == "North" else federation.dataset(actor, benchmark, name),
        )
        for name, actor in list(actors.items())[:sites]
    }
    models = {"Net": federation.net, "Second": federation.model(wanda, "Second")}
    for owner, model in ((federation.vera, models["Net"]), (wanda, models["Second"])):
        federation.associate(owner, federation.cara, benchmark, model)
    for actor, dataset in held.values():
        federation.associate(actor, federation.cara, benchmark, dataset)
    people = {
        "committee": federation.cara,
        "vendor": federation.vera,
        "second vendor": wanda,
        "hospital": federation.hana,
        "clinic": clio,
        "outside": federation.olga,
    }
    made = Arena(federation, benchmark, models, held, people)
    for name in held:
        for model, quality in QUALITIES.items():
            made.run(name, model, quality)
    return made


def figures(board: Leaderboard) -> list[float | None]:
    return [row.cells[0].value for row in board.rows]


def test_the_committee_sees_how_sure_everything_is(federation: Federation) -> None:
    board = arena(federation).board("committee")
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
    assert board.analysis_plan_digest.startswith("sha256:")
    assert board.analysis_plan["primary"] == "dsc"


def test_pooled_only_keeps_every_site_from_others(federation: Federation) -> None:
    board = arena(federation, audience="public", detail="pooled").board("outside")
    assert None not in figures(board)
    for row in board.rows:
        for cell in row.cells:
            assert (cell.sites, cell.worst_site) == ((), None)
    assert board.comparisons[0].interval is not None
    text = board.model_dump_json()
    assert not any(name in text for name in ("North", "East", "West"))


def test_pooled_only_does_not_let_a_hospital_subtract_itself(federation: Federation) -> None:
    """Of two sites one is the hospital's own: what is left would be the other's figure."""
    made = arena(federation, sites=2, audience="public", detail="pooled")
    assert figures(made.board("hospital")) == [None, None]
    assert made.board("hospital").comparisons == ()
    assert None not in figures(made.board("outside"))
    assert None not in figures(made.board("committee"))


def test_pseudonyms_hold_everywhere(federation: Federation) -> None:
    made = arena(federation, audience="public", pseudonymous_sites=True)
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


def test_owners_only_compare_what_they_see(federation: Federation) -> None:
    made = arena(federation, audience="owners")
    vendor = made.board("vendor")
    assert [row.model for row in vendor.rows] == ["Net"]
    assert vendor.comparisons == ()
    assert (vendor.rows[0].rank_from, vendor.rows[0].share_first) == (None, None)
    hospital = made.board("hospital")
    assert [row.n_results for row in hospital.rows] == [1, 1]
    [pair] = hospital.comparisons
    assert pair.n_sites == 1
    assert made.board("outside").rows == ()


def test_nothing_new_shows_before_the_moment(federation: Federation) -> None:
    made = arena(federation, audience="public", moment="complete")
    made.people["hospital"].client.results.act(made.results[0].id, "withdraw")
    board = made.board("outside")
    assert figures(board) == [None, None]
    assert board.comparisons == ()
    assert {row.cost for row in board.rows} == {None}
    assert "every model" in board.withheld_reason


def test_a_withdrawn_result_leaves_the_numbers_at_once(federation: Federation) -> None:
    made = arena(federation, audience="public")
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
