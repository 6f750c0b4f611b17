"""A benchmark's leaderboard, as far as its release policy lets the caller see it.

The benchmark's organization sees all. Everybody sees the approved results of their own sites. The
rest follows the policy: who (audience), from when on (moment), and how much (detail; pseudonyms).
"""

import hashlib

from medperf.analysis.leaderboard import Entry, SiteResult, leaderboard_rows, overall_metrics
from medperf.domain.benchmarks import AnalysisPlan, Audience, Detail, Moment
from medperf.domain.leaderboards import Leaderboard
from medperf.domain.results import TYPED, TypedResult
from medperf.server.benchmarks import queries
from medperf.server.benchmarks.queries import BENCHMARKS
from medperf.server.call import Call, Wire

_INCOMPLETE = "results are shown when every model has an approved result on every dataset"


def leaderboard(call: Call, number: int) -> Wire:
    """The models of a benchmark in order."""
    BENCHMARKS.one(call.connection, call.caller, number)
    benchmark = queries.whole(call.connection, number)
    plan = AnalysisPlan.model_validate(benchmark["analysis_plan"])
    sight = _Sight(call, benchmark)
    results = queries.shown_results(
        call.connection,
        call.caller,
        number,
        states=sight.states,
        sees_all=sight.sees_all,
    )
    n_expected = len(queries.approved_datasets(call.connection, number))
    failed = queries.failed_executions(call.connection, number)
    models = queries.entered_models(call.connection, number)
    concerned = {result["model_id"] for result in results}
    entries = [
        Entry(
            model_id=model["id"],
            model=model["name"],
            organization=model["organization"],
            n_expected=n_expected,
            n_failed_executions=failed.get(model["id"], 0),
        )
        for model in models
        if sight.sees_all
        or model["id"] in concerned
        or model["organization_id"] == call.caller.organization_id
    ]
    shown = [
        SiteResult(result["model_id"], sight.name_of(result), _document(result["document"]))
        for result in results
    ]
    primary = next((m for m in plan.metrics if m.name == plan.primary), None)
    return Leaderboard(
        benchmark_id=number,
        benchmark=benchmark["name"],
        primary=plan.primary,
        direction=None if primary is None else primary.direction.value,
        metrics=tuple(metric.name for metric in overall_metrics(plan)),
        rows=leaderboard_rows(plan, entries, shown, with_sites=sight.sees_sites),
        withheld_reason=sight.withheld_reason,
        as_of=call.now,
    ).model_dump(mode="json")


class _Sight:
    """What the release policy lets the caller see."""

    def __init__(self, call: Call, benchmark: Wire) -> None:
        self._call = call
        self._benchmark = benchmark
        own = call.caller.organization_id
        self._leads = own is not None and own == benchmark["organization_id"]
        audience = Audience(benchmark["release_audience"])
        moment = Moment(benchmark["release_moment"])
        has_come = moment is not Moment.COMPLETE or benchmark["is_complete"]
        is_audience = audience is Audience.PUBLIC or (
            audience is Audience.PARTICIPANTS
            and queries.participates(call.connection, call.caller, benchmark["id"])
        )
        self.sees_all = self._leads or is_audience
        self.sees_sites = self._leads or benchmark["release_detail"] == Detail.PER_SITE
        self.states: tuple[str, ...] = ("approved",) if self._leads or has_come else ()
        if moment is Moment.SUBMITTED:
            self.states = ("approved", "pending")
        self.withheld_reason = "" if self._leads else self._reason(has_come)

    def name_of(self, result: Wire) -> str:
        """A site's name, or a pseudonym that is stable within the benchmark."""
        is_own = result["organization_id"] == self._call.caller.organization_id
        if self._leads or is_own or not self._benchmark["has_pseudonymous_sites"]:
            return str(result["site"])
        # A signature cannot be made by others, so nobody finds the site by trying all numbers.
        said = f"medperf-pseudonym:{self._benchmark['id']}:{result['site_id']}"
        secret = self._call.server.signer.sign(said.encode())
        return "site " + hashlib.sha256(secret).hexdigest()[:8]

    def _reason(self, has_come: bool) -> str:
        if not has_come:
            return _INCOMPLETE
        if not self.sees_all:
            return "only your own models and sites are shown to you"
        return ""


def _document(document: Wire) -> TypedResult | None:
    return TypedResult.model_validate(document) if document.get("schema") == TYPED else None
