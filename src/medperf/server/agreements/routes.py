"""``/agreements``."""

from medperf.domain import lifecycle
from medperf.domain.agreements import Agreement, AgreementForm
from medperf.domain.log import LogBundle
from medperf.server.agreements import service
from medperf.server.agreements.queries import AGREEMENTS, with_parties
from medperf.server.call import Call, Wire
from medperf.server.log import bundles
from medperf.server.routing import Number, Routes

routes = Routes("agreements")
routes.view("/agreements", AGREEMENTS, Agreement, then=with_parties)


@routes.read("/agreements/{number}/bundle", LogBundle, is_long=True)
def get_agreement_bundle(call: Call, number: Number) -> Wire:
    """Every signature under an agreement, with all that a stranger needs to check them."""
    return bundles.of_agreement(call, number)


@routes.write("/agreements", Agreement, status=201)
def propose_agreement(call: Call, form: AgreementForm) -> Wire:
    """Propose an agreement by its document's digest; each party then signs."""
    return service.propose(call, form)


routes.lifecycle("/agreements", Agreement, lifecycle.AGREEMENT, service.act)
