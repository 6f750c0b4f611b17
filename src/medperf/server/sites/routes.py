"""``/sites``."""

from medperf.domain.people import Enrollment, KeyRotation, Site, SitePolicyForm
from medperf.domain.wire import Reason
from medperf.server.call import Call, Wire
from medperf.server.routing import Number, Routes
from medperf.server.sites import policies, service
from medperf.server.sites.queries import SITES, with_keys

routes = Routes("sites")
routes.view("/sites", SITES, Site, then=with_keys)


@routes.write("/sites/enroll", Site, status=201, is_open=True)
def enroll_site(call: Call, form: Enrollment) -> Wire:
    """Come in as a site."""
    return service.enroll(call, form)


@routes.write("/sites/me/keys", Site)
def rotate_key(call: Call, form: KeyRotation) -> Wire:
    """Sign with another key from now on; a site's own act."""
    return service.rotate_key(call, form)


@routes.write("/sites/me/policies", Site)
def log_site_policy(call: Call, form: SitePolicyForm) -> Wire:
    """Log which policy a site put in force: its version and digest, signed by the site."""
    return policies.log_policy(call, form)


@routes.write("/sites/{number}/keys/{key_id}/revoke", Site)
def revoke_key(call: Call, number: Number, key_id: str, form: Reason) -> Wire:
    """End a key at once."""
    return service.revoke_key(call, number, key_id, form.reason)
