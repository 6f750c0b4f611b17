"""``/work`` and ``/executions``."""

from medperf.domain import lifecycle
from medperf.domain.executions import Execution, Failure, GrantAnswers, GrantRequest
from medperf.server.call import Call, Wire
from medperf.server.executions import granting, service
from medperf.server.executions.queries import EXECUTIONS
from medperf.server.routing import Number, Routes

routes = Routes("executions")
routes.view("/executions", EXECUTIONS, Execution)


@routes.write("/executions", GrantAnswers, status=201)
def request_grants(call: Call, form: GrantRequest) -> Wire:
    """Ask for grants, pair by pair; a site's act."""
    return granting.request_grants(call, form)


@routes.write("/executions/{number}/fail", Execution)
def fail_execution(call: Call, number: Number, form: Failure) -> Wire:
    """Report an end without a result; a site's act."""
    return service.fail(call, number, form)


routes.lifecycle(
    "/executions", Execution, lifecycle.EXECUTION, service.act, besides={"fail", "complete"}
)
