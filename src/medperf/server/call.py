"""One call to the server: who asks, when, over which connection, of which program."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from medperf.provenance.envelope import Envelope
from medperf.provenance.keys import Signer
from medperf.server.log.keys import ServerKeys
from medperf.server.log.signing import LogSigner
from medperf.server.remembering import Remembered

Wire = dict[str, Any]
"""A record as it is sent: exactly the fields of its class in ``medperf.domain``."""

SERVER = "server"
"""The actor of what the server does by itself."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A person, a site, or nobody (no organization); ``carried_by`` is who came for a site."""

    organization_id: int | None = None
    user_id: int | None = None
    site_id: int | None = None
    key_id: str | None = None
    is_admin: bool = False
    carried_by: int | None = None

    @property
    def actor(self) -> str:
        """How records name the caller: ``user:3``, ``site:2``, or ``server`` for nobody."""
        if self.user_id is not None:
            return f"user:{self.user_id}"
        return SERVER if self.site_id is None else f"site:{self.site_id}"

    def binds(self) -> dict[str, Any]:
        """The values that visibility conditions refer to."""
        return {
            "caller_organization": self.organization_id,
            "caller_user": self.user_id,
            "caller_site": self.site_id,
            "caller_is_admin": self.is_admin,
        }


@dataclass(frozen=True, slots=True)
class Identity:
    """What a server is: its name and the keys that sign its grants."""

    name: str
    keys: ServerKeys
    new_secret: Callable[[], str]
    """A new text of 256 random bits."""
    grant_valid: timedelta
    log: LogSigner
    """Signs the log's checkpoints."""
    remembered: Remembered = field(default_factory=Remembered)
    """What was computed lately and would be computed again."""


@dataclass(slots=True)
class Signed:
    """What the caller signed with their own key, for the one statement that the act logs."""

    envelope: Envelope
    is_taken: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """What a service needs to know besides its arguments."""

    connection: Connection
    caller: Caller
    now: datetime
    server: Identity
    signed: Signed | None = None

    @property
    def signer(self) -> Signer:
        """The server's key that is in force in this transaction.

        Raises:
            UnavailableError: if this machine does not have it.
        """
        return self.server.keys.signer(self.connection)
