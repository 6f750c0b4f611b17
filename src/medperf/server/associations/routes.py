"""``/associations``."""

from medperf.domain import lifecycle
from medperf.domain.associations import Association, AssociationForm
from medperf.server.associations import service
from medperf.server.associations.queries import ASSOCIATIONS
from medperf.server.call import Call, Wire
from medperf.server.routing import Routes

routes = Routes("associations")
routes.view("/associations", ASSOCIATIONS, Association)


@routes.write("/associations", Association, status=201)
def request_association(call: Call, form: AssociationForm) -> Wire:
    """Ask that a dataset or a model takes part; the other side decides."""
    return service.request(call, form)


routes.lifecycle("/associations", Association, lifecycle.ASSOCIATION, service.act)
