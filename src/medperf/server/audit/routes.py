"""``/audit-events``."""

from medperf.domain.results import AuditEvent
from medperf.server.audit.queries import AUDIT_EVENTS
from medperf.server.call import Call, Wire
from medperf.server.routing import Number, Routes

routes = Routes("audit events")
routes.pages("/audit-events", AUDIT_EVENTS, AuditEvent)


@routes.read("/audit-events/{number}", AuditEvent)
def get_audit_event(call: Call, number: Number) -> Wire:
    """Look up one audit event."""
    return AUDIT_EVENTS.one(call.connection, call.caller, number)
