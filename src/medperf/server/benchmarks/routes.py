"""``/benchmarks``."""

from typing import Any

from medperf.domain import lifecycle
from medperf.domain.benchmarks import Benchmark, BenchmarkForm
from medperf.domain.leaderboards import Leaderboard
from medperf.domain.log import LogBundle
from medperf.server.benchmarks import service
from medperf.server.benchmarks.leaderboard import leaderboard
from medperf.server.benchmarks.queries import BENCHMARKS
from medperf.server.call import Call, Wire
from medperf.server.log import bundles
from medperf.server.routing import Number, Routes

routes = Routes("benchmarks")
routes.pages("/benchmarks", BENCHMARKS, Benchmark)


@routes.read("/benchmarks/{number}", Benchmark)
def get_benchmark(call: Call, number: Number) -> Wire:
    """Look up one benchmark."""
    return service.get(call, number)


@routes.write("/benchmarks", Benchmark, status=201)
def register_benchmark(call: Call, form: BenchmarkForm) -> Wire:
    """Register a benchmark; it starts in development."""
    return service.register(call, form)


@routes.write("/benchmarks/{number}", Benchmark, method="PATCH")
def edit_benchmark(call: Call, number: Number, changes: dict[str, Any]) -> Wire:
    """Change a benchmark that is still in development; fields as in registering."""
    return service.edit(call, number, changes)


@routes.read("/benchmarks/{number}/bundle", LogBundle, is_long=True)
def get_benchmark_bundle(call: Call, number: Number) -> Wire:
    """The leaderboard with all that a stranger needs to check it, as far as the caller may see."""
    return bundles.of_benchmark(call, number)


@routes.read("/benchmarks/{number}/leaderboard", Leaderboard, is_long=True)
def get_leaderboard(call: Call, number: Number) -> Wire:
    """The models in order of the primary metric, as far as the caller may see."""
    return leaderboard(call, number)


routes.lifecycle("/benchmarks", Benchmark, lifecycle.BENCHMARK, service.act)
