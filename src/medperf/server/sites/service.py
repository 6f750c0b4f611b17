"""Enrolling sites and changing their keys."""

from medperf.domain.errors import DuplicateError, ForbiddenError, NotFoundError
from medperf.domain.people import Enrollment, InvitationKind, KeyRotation
from medperf.provenance.keys import PublicKey
from medperf.server.call import Call, Caller, Wire
from medperf.server.db.queries import row
from medperf.server.db.tables import site_keys, sites
from medperf.server.db.writing import add, record, set_where
from medperf.server.executions.revoking import revoke_for_site
from medperf.server.log.statements import log_keys
from medperf.server.people.service import take_up
from medperf.server.proofs import proven
from medperf.server.sites.queries import SITES, with_keys


def get(call: Call, number: int) -> Wire:
    """One site with all its keys."""
    [site] = with_keys(call.connection, [SITES.one(call.connection, call.caller, number)])
    return site


def enroll(call: Call, form: Enrollment) -> Wire:
    """A site comes in with its own key.

    Raises:
        InvitationError: if the token is of no use.
        SignatureError: if the proof is not the key's signature.
    """
    key = proven(form.public_key, form.proof, f"medperf-enroll:{form.token}")
    invitation = take_up(call, form.token, InvitationKind.SITE)
    organization_id = invitation["organization_id"]
    known = row(
        call.connection,
        sites,
        sites.c.organization_id == organization_id,
        sites.c.name == form.name,
    )
    if known is not None:
        raise DuplicateError(f"the organization has a site named {form.name} already")
    number = add(call, sites, name=form.name, organization_id=organization_id, created_at=call.now)
    _add_key(call, number, key)
    log_keys(call, "site", number, ("enrolled", key.to_text()))
    record(call, "site.enroll", f"site:{number}", actor=f"site:{number}", key_id=key.key_id)
    newcomer = Call(
        call.connection,
        Caller(organization_id=organization_id, site_id=number),
        call.now,
        call.server,
    )
    return get(newcomer, number)


def rotate_key(call: Call, form: KeyRotation) -> Wire:
    """A site names its next key; the one it signed this request with ends."""
    site_id, key_id = call.caller.site_id, call.caller.key_id
    if site_id is None or key_id is None:
        raise ForbiddenError("only a site itself rotates its key")
    key = proven(form.public_key, form.proof, f"medperf-rotate:{site_id}")
    _add_key(call, site_id, key)
    former = row(call.connection, site_keys, site_keys.c.key_id == key_id)
    set_where(call, site_keys, site_keys.c.key_id == key_id, revoked_at=call.now)
    log_keys(call, "site", site_id, ("enrolled", key.to_text()))
    if former is not None:
        log_keys(call, "site", site_id, ("revoked", former["public_key"]), reason="rotated")
    revoke_for_site(call, site_id)
    record(call, "site.rotate-key", f"site:{site_id}", key_id=key.key_id, former=key_id)
    return get(call, site_id)


def revoke_key(call: Call, number: int, key_id: str, reason: str) -> Wire:
    """An admin, or a person of the site's organization, ends a key at once."""
    site = get(call, number)
    caller = call.caller
    is_own = caller.user_id is not None and site["organization_id"] == caller.organization_id
    if not (is_own or caller.is_admin):
        raise ForbiddenError("a key is revoked by an admin or the site's organization")
    known = {key["key_id"]: key for key in site["keys"]}
    if key_id not in known:
        raise NotFoundError(f"site {number} has no key {key_id[:80]}")
    if known[key_id]["revoked_at"] is None:
        log_keys(call, "site", number, ("revoked", known[key_id]["public_key"]), reason=reason)
        revoke_for_site(call, number)
    set_where(
        call,
        site_keys,
        site_keys.c.key_id == key_id,
        site_keys.c.revoked_at.is_(None),
        revoked_at=call.now,
    )
    record(call, "site.revoke-key", f"site:{number}", key_id=key_id, reason=reason)
    return get(call, number)


def _add_key(call: Call, site_id: int, key: PublicKey) -> None:
    if row(call.connection, site_keys, site_keys.c.key_id == key.key_id) is not None:
        raise DuplicateError("this key is or was enrolled already; make a new one")
    add(
        call,
        site_keys,
        key_id=key.key_id,
        site_id=site_id,
        public_key=key.to_text(),
        created_at=call.now,
    )
