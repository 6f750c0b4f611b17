"""People's own keys: whoever has one decides with it, and the server cannot decide for them.

A person has at most one active key. A new one is registered with the old one's consent, or after
the old one was revoked; the log says which key could sign when.
"""

from medperf.domain.errors import DuplicateError, ForbiddenError, NotFoundError, OwnSignatureError
from medperf.domain.people import PersonKey
from medperf.provenance.keys import PublicKey
from medperf.server.call import Call, Wire
from medperf.server.db.queries import row
from medperf.server.db.tables import user_keys
from medperf.server.db.writing import add, record, set_where
from medperf.server.log.statements import log_keys
from medperf.server.people.queries import USERS, active_key, with_keys
from medperf.server.people.service import require_person
from medperf.server.proofs import proven, require_proof


def get(call: Call, number: int) -> Wire:
    """One person with all their keys."""
    [user] = with_keys(call.connection, [USERS.one(call.connection, call.caller, number)])
    return user


def register(call: Call, form: PersonKey) -> Wire:
    """A person signs with this key from now on.

    Raises:
        OwnSignatureError: if an active key did not agree to be followed by this one.
        DuplicateError: if somebody has or had this key.
        SignatureError: if a proof does not hold.
    """
    user_id = require_person(call, "register a key of their own")
    subject = f"user:{user_id}"
    key = proven(form.public_key, form.proof, f"medperf-person-key:{user_id}")
    if row(call.connection, user_keys, user_keys.c.key_id == key.key_id) is not None:
        raise DuplicateError("this key is or was registered already; make a new one")
    former = active_key(call.connection, user_id)
    if former is not None:
        _require_consent(PublicKey.from_text(former), form, user_id, key)
        _end(call, user_id, former, "rotated")
    add(
        call,
        user_keys,
        key_id=key.key_id,
        user_id=user_id,
        public_key=key.to_text(),
        created_at=call.now,
    )
    log_keys(call, "person", user_id, ("enrolled", key.to_text()))
    record(call, "user.register-key", subject, key_id=key.key_id)
    return get(call, user_id)


def revoke(call: Call, number: int, key_id: str, reason: str) -> Wire:
    """A person ends their key at once, or an admin for them.

    Raises:
        ForbiddenError: if it is somebody else's.
        NotFoundError: if they have no such key.
    """
    user = get(call, number)
    if call.caller.user_id != number and not call.caller.is_admin:
        raise ForbiddenError("a key is revoked by the person whose it is, or an admin")
    known = {key["key_id"]: key for key in user["keys"]}
    if key_id not in known:
        raise NotFoundError(f"user {number} has no key {key_id[:80]}")
    if known[key_id]["revoked_at"] is None:
        _end(call, number, known[key_id]["public_key"], reason)
        record(call, "user.revoke-key", f"user:{number}", key_id=key_id, reason=reason)
    return get(call, number)


def _require_consent(former: PublicKey, form: PersonKey, user_id: int, key: PublicKey) -> None:
    if form.former_proof is None:
        raise OwnSignatureError(
            f"you have the active key {former.key_id}; a next one needs its consent",
            hint="Use 'medperf key rotate' where that key is, or 'medperf key revoke' it first.",
        )
    require_proof(former, form.former_proof, f"medperf-person-key:{user_id}:{key.key_id}")


def _end(call: Call, user_id: int, public_key: str, reason: str) -> None:
    key_id = PublicKey.from_text(public_key).key_id
    set_where(call, user_keys, user_keys.c.key_id == key_id, revoked_at=call.now)
    log_keys(call, "person", user_id, ("revoked", public_key), reason=reason)
