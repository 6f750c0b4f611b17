"""What a benchmark's release policy lets a caller see of its results.

The benchmark's organization sees all. Everybody sees the approved results of their own sites. The
rest follows the policy: who (audience), from when on (moment), and how much (detail; pseudonyms).
"""

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property

from medperf.analysis.leaderboard import Entry
from medperf.analysis.pooled_cells import Sight
from medperf.analysis.site_results import SiteResult
from medperf.domain.benchmarks import AnalysisPlan, Audience, Detail, Moment
from medperf.domain.errors import UnavailableError
from medperf.domain.results import TypedResult
from medperf.provenance.keys import Signer
from medperf.server.benchmarks import queries
from medperf.server.benchmarks.queries import BENCHMARKS
from medperf.server.call import Call, Wire

_INCOMPLETE = "results are shown when every model has an approved result on every dataset"


@dataclass(frozen=True, slots=True)
class Seen:
    """A benchmark as a caller may see it; ``facts`` are those of results, without documents.

    Of the versions of a dataset only the latest that a model has a result on counts: patients of
    both would count twice. A trend looks at all versions.

    ``key`` names everything that numbers computed from it follow from, by content.
    """

    call: Call
    benchmark: Wire
    plan: AnalysisPlan
    sight: Sight
    entries: tuple[Entry, ...]
    facts: tuple[Wire, ...]
    withheld_reason: str
    policy: "_Policy"

    @classmethod
    def of(cls, call: Call, number: int, *, with_former: bool = False) -> "Seen":
        """Look at a benchmark; with former versions of datasets, or without.

        Raises:
            NotFoundError: if the caller may not see it at all.
        """
        BENCHMARKS.one(call.connection, call.caller, number)
        benchmark = queries.whole(call.connection, number)
        policy = _Policy(call, benchmark)
        facts = queries.shown_results(
            call.connection, call.caller, number, states=policy.states, sees_all=policy.sees_all
        )
        if not with_former:
            facts = latest_facts(facts)
        for fact in facts:
            fact["site"] = policy.name_of(fact)
        return cls(
            call=call,
            benchmark=benchmark,
            plan=AnalysisPlan.model_validate(benchmark["analysis_plan"]),
            sight=Sight(with_sites=policy.sees_sites),
            entries=_entries(call, number, policy, facts),
            facts=tuple(facts),
            withheld_reason=policy.withheld_reason,
            policy=policy,
        )

    @property
    def key(self) -> tuple[object, ...]:
        """Everything that numbers follow from: plan, sight, models, and results by digest."""
        results = tuple(
            (fact["statement_digest"], fact["model_id"], fact["dataset_id"], fact["site"])
            for fact in self.facts
        )
        own = self.call.caller.organization_id if not self.sight.with_sites else None
        return self.benchmark["analysis_plan_digest"], self.sight, own, self.entries, results

    def is_own(self, fact: Wire) -> bool:
        """Whether a result is of a site of the caller's organization."""
        return bool(fact["organization_id"] == self.call.caller.organization_id)

    def has_pseudonym(self, fact: Wire) -> bool:
        """Whether a result's site is shown to the caller under another name."""
        return self.policy.hides(fact)

    def results(self, models: Collection[int] | None = None) -> list[SiteResult]:
        """The results, of some models only if asked, with documents, which take long to read."""
        facts = [fact for fact in self.facts if models is None or fact["model_id"] in models]
        texts: dict[int, str] = {}
        if not self.plan.free_form:
            texts = queries.result_documents(
                self.call.connection,
                self.call.caller,
                self.benchmark["id"],
                states=self.policy.states,
                sees_all=self.policy.sees_all,
                of_models=models,
            )
            if any(fact["id"] not in texts for fact in facts):
                raise UnavailableError("a result changed while results were read")
        return [_site_result(fact, texts.get(fact["id"]), self.call) for fact in facts]


class _Policy:
    """The release policy, decided for one caller."""

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
        """A site's name, or a pseudonym that stays within a benchmark, under one server key."""
        if not self.hides(result):
            return str(result["site"])
        # A signature cannot be made by others, so nobody finds the site by trying all numbers.
        said = f"medperf-pseudonym:{self._benchmark['id']}:{result['site_id']}"
        secret = self._signer.sign(said.encode())
        return "site " + hashlib.sha256(secret).hexdigest()[:8]

    @cached_property
    def _signer(self) -> Signer:
        return self._call.signer

    def hides(self, result: Wire) -> bool:
        """Whether a result's site has a pseudonym for the caller."""
        is_own = result["organization_id"] == self._call.caller.organization_id
        return bool(self._benchmark["has_pseudonymous_sites"] and not self._leads and not is_own)

    def _reason(self, has_come: bool) -> str:
        if not has_come:
            return _INCOMPLETE
        if not self.sees_all:
            return "only your own models and sites are shown to you"
        return ""


def _entries(call: Call, number: int, policy: _Policy, facts: Iterable[Wire]) -> tuple[Entry, ...]:
    expected = queries.approved_datasets(call.connection, number)
    current = expected.keys() - set(expected.values())
    failed = queries.failed_executions(call.connection, number)
    shown: dict[int, set[int]] = {}
    for fact in facts:
        shown.setdefault(fact["model_id"], set()).add(fact["dataset_id"])
    return tuple(
        Entry(
            model_id=model["id"],
            model=model["name"],
            organization=model["organization"],
            # With a result on a former version only, that on the current one is missing.
            n_expected=len(current | shown.get(model["id"], set())),
            n_failed_executions=failed.get(model["id"], 0),
            version=model["version"],
        )
        for model in queries.entered_models(call.connection, number)
        if policy.sees_all
        or model["id"] in shown
        or model["organization_id"] == call.caller.organization_id
    )


def latest_facts(facts: Iterable[Wire]) -> list[Wire]:
    """Without results on a dataset where the same model has one on a version that supersedes it."""
    facts = list(facts)
    former = {(fact["model_id"], fact["supersedes_id"]) for fact in facts}
    return [fact for fact in facts if (fact["model_id"], fact["dataset_id"]) not in former]


def _site_result(fact: Wire, text: str | None, call: Call) -> SiteResult:
    resources = fact["resources"] or {}
    memory = resources.get("peak_memory_bytes")
    return SiteResult(
        model_id=fact["model_id"],
        dataset_id=fact["dataset_id"],
        site=fact["site"],
        document=None if text is None else TypedResult.model_validate_json(text),
        is_own=fact["organization_id"] == call.caller.organization_id,
        seconds=resources.get("duration_s"),
        peak_memory_bytes=None if memory is None else round(memory),
    )
