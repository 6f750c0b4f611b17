"""Which key signs now: the log says which one it is, and this machine has it or does not.

Several processes and machines share one database. None of them is told of a new key: whoever signs
looks at the log first, in the transaction or for the size that is signed, so that nothing is ever
signed with a key that was followed before.
"""

import threading
from collections.abc import Callable, Iterable

from sqlalchemy import Connection

from medperf.domain.errors import EmptyInputError, UnavailableError
from medperf.provenance.checkpoint import log_key
from medperf.provenance.envelope import Envelope
from medperf.provenance.keys import PublicKey, Signer
from medperf.provenance.predicates import SuccessionPredicate
from medperf.provenance.statements import read_statement
from medperf.provenance.succession import LogKeys
from medperf.server.log import key_queries


class ServerKeys:
    """The keys of a server, of which this process can use some.

    Args:
        signer: the key that was here when the process began.
        look: finds the keys that are on this machine now.
    """

    def __init__(self, signer: Signer, look: Callable[[], Iterable[Signer]] = tuple) -> None:
        self._first = signer.public
        self._here = {signer.key_id: signer}
        self._look = look
        self._lock = threading.Lock()
        self._known: tuple[int | None, LogKeys] = (None, LogKeys.only(log_key(self._first)))

    def history(self, connection: Connection) -> LogKeys:
        """Every key that signed the log, in order."""
        newest = key_queries.newest_succession(connection)
        with self._lock:
            if newest != self._known[0]:
                self._known = newest, log_keys(connection, self._first)
            return self._known[1]

    def signer(self, connection: Connection) -> Signer:
        """The key that signs what is logged next.

        Raises:
            UnavailableError: if this machine does not have it.
        """
        return self.having(self.history(connection).current.public)

    def having(self, public: PublicKey) -> Signer:
        """The signer of this key.

        Raises:
            UnavailableError: if this machine does not have it.
        """
        with self._lock:
            if public.key_id not in self._here:
                self._here |= {each.key_id: each for each in self._look()}
            try:
                return self._here[public.key_id]
            except KeyError:
                raise UnavailableError(
                    f"the server signs with key {public.key_id} now, and this machine lacks it",
                    hint="Operator: copy server-key.pem from where 'medperf server key' replaced it"
                    " into this server's folder; the running server takes it up.",
                ) from None


def log_keys(connection: Connection, first: PublicKey | None) -> LogKeys:
    """Every key that signed the log, as its successions say; ``first`` alone without any.

    Raises:
        EmptyInputError: if there is neither.
    """
    links = [
        (leaf, read_statement(Envelope.from_value(envelope).content, SuccessionPredicate).predicate)
        for leaf, envelope in key_queries.successions(connection)
    ]
    if not links:
        if first is None:
            raise EmptyInputError(
                "no key is here, and the log tells of none: nobody knows which key signs this log",
                hint="Name it as any member trusts it ('medperf log key'), with --former.",
            )
        return LogKeys.only(log_key(first))
    return LogKeys.of(
        links[0][1].log,
        PublicKey.from_text(links[0][1].former_key),
        [(leaf, PublicKey.from_text(said.public_key)) for leaf, said in links],
    )
