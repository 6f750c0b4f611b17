"""``/me``, ``/organizations``, ``/users``, ``/invitations``, ``/access-tokens``."""

from medperf.domain.people import (
    AccessToken,
    Invitation,
    InvitationForm,
    IssuedAccess,
    IssuedInvitation,
    Organization,
    OrganizationForm,
    PersonKey,
    Principal,
    Redemption,
    User,
)
from medperf.domain.wire import Reason
from medperf.server.call import Call, Wire
from medperf.server.people import keys, service
from medperf.server.people.queries import (
    ACCESS_TOKENS,
    INVITATIONS,
    ORGANIZATIONS,
    USERS,
    with_keys,
)
from medperf.server.routing import Number, Routes

routes = Routes("people")
routes.view("/organizations", ORGANIZATIONS, Organization)
routes.view("/users", USERS, User, then=with_keys)
routes.view("/invitations", INVITATIONS, Invitation)
routes.view("/access-tokens", ACCESS_TOKENS, AccessToken)


@routes.read("/me", Principal)
def get_me(call: Call) -> Wire:
    """Who the server takes the caller for."""
    return service.me(call)


@routes.write("/organizations", Organization, status=201)
def register_organization(call: Call, form: OrganizationForm) -> Wire:
    """Register a legal body; an admin's act."""
    return service.register_organization(call, form)


@routes.write("/users/me/keys", User)
def register_person_key(call: Call, form: PersonKey) -> Wire:
    """Decide with this key from now on; a person's own act."""
    return keys.register(call, form)


@routes.write("/users/{number}/keys/{key_id}/revoke", User)
def revoke_person_key(call: Call, number: Number, key_id: str, form: Reason) -> Wire:
    """End a person's key at once."""
    return keys.revoke(call, number, key_id, form.reason)


@routes.write("/invitations", IssuedInvitation, status=201, holds_secret=True)
def invite(call: Call, form: InvitationForm) -> Wire:
    """Invite a person or a site; the answer's token is shown once."""
    return service.invite(call, form)


@routes.write("/invitations/redeem", IssuedAccess, is_open=True, holds_secret=True)
def redeem_invitation(call: Call, form: Redemption) -> Wire:
    """Come in as a person; the answer's secret is shown once."""
    return service.redeem(call, form)


@routes.write("/invitations/{number}/revoke", Invitation)
def revoke_invitation(call: Call, number: Number, form: Reason) -> Wire:
    """Take an open invitation back; an admin's act."""
    return service.revoke_invitation(call, number, form.reason)


@routes.write("/access-tokens/{number}/revoke", AccessToken)
def revoke_access_token(call: Call, number: Number, form: Reason) -> Wire:
    """End an access; from now on the secret is worth nothing."""
    return service.revoke_access(call, number, form.reason)
