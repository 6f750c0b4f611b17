"""``/audit-events``."""

from medperf.domain.results import AuditEvent
from medperf.server.audit.queries import AUDIT_EVENTS
from medperf.server.routing import Routes

routes = Routes("audit events")
routes.view("/audit-events", AUDIT_EVENTS, AuditEvent)
