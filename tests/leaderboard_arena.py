"""A benchmark that has run: three sites of two hospitals, two models, every result approved."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from server_fixtures import Federation, PersonActor, SiteActor
from simulated_sites import PLAN, Site

from medperf.domain.ai_models import Model
from medperf.domain.benchmarks import Benchmark, ReleasePolicy
from medperf.domain.datasets import Dataset
from medperf.domain.leaderboards import Leaderboard
from medperf.domain.results import Result

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

    def copied(self) -> "Arena":
        """The same arena for another test: what one of them adds the others do not have."""
        return replace(
            self,
            federation=copy.copy(self.federation),
            models=dict(self.models),
            sites=dict(self.sites),
            people=dict(self.people),
            results=list(self.results),
        )

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
        form = self.federation.result_form(
            actor, answer, document.model_dump(mode="json", exclude_none=True)
        )
        result = actor.client.results.submit(form)
        if approve:
            self.federation.cara.client.results.act(result.id, "approve")
        self.results.append(result)
        return result


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
