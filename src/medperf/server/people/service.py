"""Bringing people in: organizations, invitations, access tokens."""

from datetime import timedelta

from medperf.domain import lifecycle
from medperf.domain.errors import (
    DuplicateError,
    ForbiddenError,
    InvalidRequestError,
    InvitationError,
)
from medperf.domain.identifiers import format_time
from medperf.domain.lifecycle import Side
from medperf.domain.people import InvitationForm, InvitationKind, OrganizationForm, Redemption
from medperf.server.acts import find_act, perform
from medperf.server.call import Call, Caller, Wire
from medperf.server.db.queries import row
from medperf.server.db.tables import access_tokens, invitations, organizations, users
from medperf.server.db.writing import add, change, record
from medperf.server.identity import digest_of_secret
from medperf.server.people.queries import ACCESS_TOKENS, INVITATIONS, ORGANIZATIONS, USERS
from medperf.server.people.queries import with_keys as keys_of_user
from medperf.server.sites.queries import SITES, with_keys

ACCESS_VALID = timedelta(days=90)


def me(call: Call) -> Wire:
    """Who the caller is, in the records' own words."""
    connection, caller = call.connection, call.caller
    organization = ORGANIZATIONS.one(connection, caller, caller.organization_id or 0)
    if caller.user_id is not None:
        return {
            "user": keys_of_user(connection, [USERS.one(connection, caller, caller.user_id)])[0],
            "site": None,
            "organization": organization,
        }
    [site] = with_keys(connection, [SITES.one(connection, caller, caller.site_id or 0)])
    return {"user": None, "site": site, "organization": organization}


def register_organization(call: Call, form: OrganizationForm) -> Wire:
    """An admin registers a legal body."""
    require_admin(call, "register an organization")
    if row(call.connection, organizations, organizations.c.name == form.name) is not None:
        raise DuplicateError(f"there is an organization named {form.name} already")
    number = add(call, organizations, name=form.name, created_at=call.now)
    record(call, "organization.register", f"organization:{number}")
    return ORGANIZATIONS.one(call.connection, call.caller, number)


def invite(call: Call, form: InvitationForm) -> Wire:
    """An admin invites a person or a site; the token is answered once and kept nowhere."""
    require_admin(call, "invite")
    if (form.kind is InvitationKind.USER) != (form.email is not None):
        raise InvalidRequestError("a user's invitation names an email, a site's does not")
    if form.is_admin and form.kind is InvitationKind.SITE:
        raise InvalidRequestError("a site cannot be an admin")
    ORGANIZATIONS.one(call.connection, call.caller, form.organization_id)
    number, token = issue_invitation(call, form)
    return {
        "invitation": INVITATIONS.one(call.connection, call.caller, number),
        "token": token,
    }


def issue_invitation(call: Call, form: InvitationForm) -> tuple[int, str]:
    """Write an invitation and answer its number and token."""
    token = call.server.new_secret()
    number = add(
        call,
        invitations,
        kind=form.kind.value,
        organization_id=form.organization_id,
        name=form.name,
        email=form.email and form.email.lower(),
        is_admin=form.is_admin,
        state=lifecycle.INVITATION.initial,
        token_sha256=digest_of_secret(token),
        created_at=call.now,
        expires_at=call.now + timedelta(days=form.valid_days),
    )
    record(call, "invitation.issue", f"invitation:{number}", kind=form.kind.value)
    return number, token


def revoke_invitation(call: Call, number: int, reason: str) -> Wire:
    """An admin takes an open invitation back."""
    invitation = INVITATIONS.one(call.connection, call.caller, number)
    sides = {Side.ADMIN} if call.caller.is_admin else set()
    act = find_act(lifecycle.INVITATION, invitation["state"], "revoke", sides)
    perform(call, lifecycle.INVITATION, invitations, invitation, act, why=reason)
    return INVITATIONS.one(call.connection, call.caller, number)


def take_up(call: Call, token: str, kind: InvitationKind) -> Wire:
    """Consume the invitation with this token; each is consumed once.

    Raises:
        InvitationError: if there is no open, unexpired invitation of this kind with this token.
    """
    found = row(call.connection, invitations, invitations.c.token_sha256 == digest_of_secret(token))
    if found is None or found["kind"] != kind.value:
        raise InvitationError(f"no invitation of a {kind} has this token")
    if found["state"] != lifecycle.INVITATION.initial:
        raise InvitationError(f"this invitation is {found['state']}")
    if found["expires_at"] <= format_time(call.now):
        raise InvitationError(f"this invitation expired at {found['expires_at']}")
    act = find_act(lifecycle.INVITATION, found["state"], "redeem", {Side.COUNTERPART})
    change(call, invitations, found["id"], state=act.target)
    return found


def redeem(call: Call, form: Redemption) -> Wire:
    """A person comes in, or comes in again on another machine: their email names them."""
    invitation = take_up(call, form.token, InvitationKind.USER)
    known = row(call.connection, users, users.c.email == invitation["email"])
    if known is None:
        user_id = add(
            call,
            users,
            name=invitation["name"],
            email=invitation["email"],
            organization_id=invitation["organization_id"],
            is_admin=invitation["is_admin"],
            created_at=call.now,
        )
    elif known["organization_id"] != invitation["organization_id"]:
        raise InvitationError("this email belongs to a user of another organization")
    else:
        user_id = known["id"]
    secret = call.server.new_secret()
    token_id = add(
        call,
        access_tokens,
        user_id=user_id,
        secret_sha256=digest_of_secret(secret),
        label=form.label,
        created_at=call.now,
        expires_at=call.now + ACCESS_VALID,
    )
    actor = f"user:{user_id}"
    record(call, "invitation.redeem", f"invitation:{invitation['id']}", actor=actor)
    newcomer = Caller(organization_id=invitation["organization_id"], user_id=user_id)
    return {
        "user": USERS.one(call.connection, newcomer, user_id),
        "access_token": ACCESS_TOKENS.one(call.connection, newcomer, token_id),
        "secret": secret,
    }


def revoke_access(call: Call, number: int, reason: str) -> Wire:
    """A person ends an access of their own, an admin anybody's."""
    token = ACCESS_TOKENS.one(call.connection, call.caller, number)
    if token["revoked_at"] is None:
        change(call, access_tokens, number, revoked_at=call.now)
        record(call, "access-token.revoke", f"access-token:{number}", reason=reason)
    return ACCESS_TOKENS.one(call.connection, call.caller, number)


def require_admin(call: Call, act: str) -> None:
    """Refuse everybody else.

    Raises:
        ForbiddenError: if the caller is no admin.
    """
    if not call.caller.is_admin:
        raise ForbiddenError(f"only an admin may {act}")


def require_person(call: Call, act: str) -> int:
    """The number of the person who asks.

    Raises:
        ForbiddenError: if a site asks.
    """
    if call.caller.user_id is None:
        raise ForbiddenError(f"only a person may {act}")
    return call.caller.user_id
