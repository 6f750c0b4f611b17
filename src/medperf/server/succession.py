"""What an operator does when the server's own key must change: the log keeps its name and goes on.

A next key is made, logged as the one that follows, and only then put in the old one's place. Every
part can be repeated: killed after the log has it, any later command or process finds it there. No
process has to be told or started again: whoever signs looks at the log first (`server.log.keys`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from medperf.domain.clock import Clock, system_clock
from medperf.domain.errors import InvalidRequestError
from medperf.provenance.envelope import Envelope, verify
from medperf.provenance.keys import PrivateKey, PublicKey, Signer
from medperf.provenance.notes import NoteKey
from medperf.provenance.predicates import SuccessionPredicate
from medperf.provenance.succession import LogKeys, sign_succession
from medperf.server.app import new_secret
from medperf.server.call import Call, Caller, Identity
from medperf.server.db.session import Database
from medperf.server.db.writing import record
from medperf.server.log.appending import Said, append
from medperf.server.log.key_queries import SERVER_LEAVES, first_envelopes, newest_succession
from medperf.server.log.keys import ServerKeys, log_keys
from medperf.server.log.signing import LogSigner
from medperf.server.operations import keys_here, keys_of, load_key, settle_next_key, write_secret
from medperf.server.settings import KEY_FILE, NEXT_KEY_FILE, SIGNED_LOG_FILE, ServerSettings

_LOOKED_AT = 1000


@dataclass(frozen=True, slots=True)
class KeyInUse:
    """A key of the server, and the part of the log that it signs.

    Attributes:
        key: as a client trusts it.
        first_leaf: the first it could sign.
        last_leaf: the last one, which names the key that followed; None for the key in force.
        is_here: whether this machine has its private half.
    """

    key: NoteKey
    first_leaf: int
    last_leaf: int | None
    is_here: bool


def show(folder: Path) -> list[KeyInUse]:
    """Every key that the server ever signed with, in order.

    Raises:
        EmptyInputError: if neither the folder nor the log tells any.
    """
    with _database_of(folder) as (_, database):
        settle_next_key(folder, database)
        with database.reading() as connection:
            return _in_use(folder, log_keys(connection, _public_here(folder)))


def rotate(folder: Path, reason: str = "", *, clock: Clock = system_clock) -> list[KeyInUse]:
    """Replace the server's key by a new one, to which the old one consents.

    Args:
        folder: of the server.
        reason: why; everybody can read it.
        clock: the time.

    Raises:
        LogForkError: if the database is not what the server signed last.
        UnavailableError: if this machine lacks the key that is in force.
    """
    with _database_of(folder) as (settings, database):
        settle_next_key(folder, database)
        with database.writing() as connection:
            former = keys_of(folder).signer(connection)
            known = log_keys(connection, former.public)
            _follow(_Change(folder, settings, connection, clock()), known, reason, former)
        return _settled(folder, database)


def revoke(
    folder: Path, reason: str, *, former: str | None = None, clock: Clock = system_clock
) -> list[KeyInUse]:
    """Replace a key that was lost or stolen by a new one; the old one is not asked.

    Args:
        folder: of the server.
        reason: why; everybody can read it.
        former: the log's key as any member trusts it; needed where the key file is lost.
        clock: the time.

    Raises:
        EmptyInputError: if the key file is lost and no former key is given.
        InvalidRequestError: if the former key is not the one that signs this log.
        LogForkError: if the database is not what the server signed last.
    """
    with _database_of(folder) as (settings, database):
        settle_next_key(folder, database)
        with database.writing() as connection:
            given = _proven(connection, former) if former else _public_here(folder)
            known = log_keys(connection, given)
            if former and known.current.public != given:
                raise InvalidRequestError(
                    f"the log is signed with {known.current.to_text()}, not with {former}"
                )
            _follow(_Change(folder, settings, connection, clock()), known, reason, None)
        return _settled(folder, database)


@dataclass(frozen=True, slots=True)
class _Change:
    folder: Path
    settings: ServerSettings
    connection: Connection
    now: datetime


def _follow(at: _Change, known: LogKeys, reason: str, former: Signer | None) -> None:
    """Log in this transaction that a new key follows; it lies beside the old one until then."""
    following = PrivateKey.generate()
    keys = ServerKeys(following)
    LogSigner(keys, at.folder / SIGNED_LOG_FILE).require_own(at.connection, known)
    said = SuccessionPredicate(
        log=known.name,
        former_key=known.current.public.to_text(),
        public_key=following.public.to_text(),
        cause="revoked" if former is None else "rotated",
        at=at.now,
        reason=reason,
    )
    # Whatever lies there was never logged: who was here before may have read it.
    (at.folder / NEXT_KEY_FILE).unlink(missing_ok=True)
    write_secret(at.folder / NEXT_KEY_FILE, following.to_pem())
    identity = Identity(
        at.settings.name, keys, new_secret, at.settings.grant_valid, LogSigner(keys)
    )
    call = Call(at.connection, Caller(is_admin=True), at.now, identity)
    append(call, Said(said.kind, SERVER_LEAVES, sign_succession(said, following, former)))
    action = "server.revoke-key" if former is None else "server.rotate-key"
    record(call, action, "server", **said.subjects(), reason=reason)


def _settled(folder: Path, database: Database) -> list[KeyInUse]:
    settle_next_key(folder, database)
    keys = keys_of(folder)
    with database.reading() as connection:
        # Signed and kept at once: from here on, not even this machine signs an earlier log.
        LogSigner(keys, folder / SIGNED_LOG_FILE).checkpoint(connection)
        return _in_use(folder, keys.history(connection))


def _in_use(folder: Path, keys: LogKeys) -> list[KeyInUse]:
    here = {key.key_id for key in keys_here(folder)}
    ends = [start - 1 for start, _ in keys.spans[1:]]
    return [
        KeyInUse(NoteKey(keys.name, key), start, end, key.key_id in here)
        for (start, key), end in zip(keys.spans, [*ends, None], strict=True)
    ]


def _public_here(folder: Path) -> PublicKey | None:
    return load_key(folder).public if (folder / KEY_FILE).exists() else None


def _proven(connection: Connection, text: str) -> PublicKey:
    """The former key as a member gave it, if it signed what this log holds."""
    public = NoteKey.from_text(text).public
    envelopes = [Envelope.from_value(each) for each in first_envelopes(connection, _LOOKED_AT)]
    for envelope in envelopes:
        if public.key_id in {each.keyid for each in envelope.signatures}:
            verify(envelope, {public.key_id: public})
            return public
    if newest_succession(connection) is not None and log_keys(connection, None).knows(public):
        return public
    raise InvalidRequestError(
        f"key {public.key_id} signed none of the first statements of this log",
        hint="Give the key of this server's own log, as 'medperf log key' shows it to any member.",
    )


@contextmanager
def _database_of(folder: Path) -> Iterator[tuple[ServerSettings, Database]]:
    settings = ServerSettings.load(folder)
    database = Database(settings.database_url, for_operator=True)
    try:
        yield settings, database
    finally:
        database.close()
