"""``/benchmarks``."""

from typing import Annotated, Any

from fastapi import Query

from medperf.domain import lifecycle
from medperf.domain.benchmarks import (
    AssociationPolicies,
    AssociationPolicy,
    AssociationPolicyForm,
    Benchmark,
    BenchmarkForm,
)
from medperf.domain.leaderboards import Comparison, Leaderboard, Trend
from medperf.domain.log import LogBundle
from medperf.server.benchmarks import policies, service
from medperf.server.benchmarks.comparing import compare
from medperf.server.benchmarks.leaderboard import leaderboard
from medperf.server.benchmarks.queries import BENCHMARKS
from medperf.server.benchmarks.trend import trend
from medperf.server.call import Call, Wire
from medperf.server.db.queries import LARGEST_ID
from medperf.server.log import bundles
from medperf.server.routing import Number, Routes

ModelNumber = Annotated[int, Query(ge=1, le=LARGEST_ID)]
"""The number of a model, as a question's part."""

routes = Routes("benchmarks")
routes.view("/benchmarks", BENCHMARKS, Benchmark)


@routes.write("/benchmarks", Benchmark, status=201)
def register_benchmark(call: Call, form: BenchmarkForm) -> Wire:
    """Register a benchmark; it starts in development."""
    return service.register(call, form)


@routes.write("/benchmarks/{number}", Benchmark, method="PATCH")
def edit_benchmark(call: Call, number: Number, changes: dict[str, Any]) -> Wire:
    """Change a benchmark that is still in development; fields as in registering."""
    return service.edit(call, number, changes)


@routes.read("/benchmarks/{number}/policies", AssociationPolicies)
def get_association_policies(call: Call, number: Number) -> Wire:
    """Every policy about taking part that was ever in force, with its signed statement."""
    return policies.history(call, number)


@routes.write("/benchmarks/{number}/policies", AssociationPolicy, status=201)
def put_association_policy(call: Call, number: Number, form: AssociationPolicyForm) -> Wire:
    """Put another policy about taking part in force."""
    return policies.put_in_force(call, number, form)


@routes.read("/benchmarks/{number}/bundle", LogBundle, is_long=True)
def get_benchmark_bundle(call: Call, number: Number) -> Wire:
    """The leaderboard with all that a stranger needs to check it, as far as the caller may see."""
    return bundles.of_benchmark(call, number)


@routes.read("/benchmarks/{number}/leaderboard", Leaderboard, is_long=True)
def get_leaderboard(call: Call, number: Number) -> Wire:
    """The models in order of the primary metric, as far as the caller may see."""
    return leaderboard(call, number)


@routes.read("/benchmarks/{number}/comparison", Comparison, is_long=True)
def get_comparison(
    call: Call,
    number: Number,
    first: ModelNumber,
    second: ModelNumber,
    metric: str | None = None,
    margin: float | None = None,
) -> Wire:
    """Two models on the same patients; another metric or margin than the plan's is exploratory."""
    return compare(call, number, first, second, metric, margin)


@routes.read("/benchmarks/{number}/trend", Trend, is_long=True)
def get_trend(call: Call, number: Number) -> Wire:
    """The primary metric over versions of models, datasets and the benchmark, with alarms."""
    return trend(call, number)


routes.lifecycle("/benchmarks", Benchmark, lifecycle.BENCHMARK, service.act)
