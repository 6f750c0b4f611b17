"""``/results``."""

from medperf.domain import lifecycle
from medperf.domain.log import LogBundle
from medperf.domain.results import Result, ResultForm
from medperf.server.call import Call, Wire
from medperf.server.log import bundles
from medperf.server.results import service
from medperf.server.results.queries import RESULTS
from medperf.server.routing import Number, Routes

routes = Routes("results")
routes.view("/results", RESULTS, Result)


@routes.read("/results/{number}/bundle", LogBundle, is_long=True)
def get_result_bundle(call: Call, number: Number) -> Wire:
    """All that a stranger needs to check one result."""
    return bundles.of_result(call, number)


@routes.write("/results", Result, status=201, then=bundles.with_inclusion)
def submit_result(call: Call, form: ResultForm) -> Wire:
    """Hand in the one result of a grant; a site's act."""
    return service.submit(call, form)


routes.lifecycle("/results", Result, lifecycle.RESULT, service.act)
