"""Reading audit events."""

from sqlalchemy import or_

from medperf.server.db.queries import IS_ADMIN, ORGANIZATION, View, by_text
from medperf.server.db.tables import audit_events

AUDIT_EVENTS = View(
    "audit event",
    audit_events,
    (
        audit_events.c.id,
        audit_events.c.at,
        audit_events.c.actor,
        audit_events.c.action,
        audit_events.c.subject,
        audit_events.c.details,
    ),
    or_(IS_ADMIN, audit_events.c.actor_organization_id == ORGANIZATION),
    {
        "subject": by_text(audit_events.c.subject),
        "actor": by_text(audit_events.c.actor),
        "action": by_text(audit_events.c.action),
    },
)
