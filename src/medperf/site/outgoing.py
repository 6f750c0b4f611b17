"""Writing a results bundle: what waits in the outbox, signed once more as a whole by the site.

Everything in it went through the gate before, which put it into the outbox; nothing is added here
but what the server has to know to answer: how much of its log the site has seen, and what it lacks.
"""

from pathlib import Path

from medperf.client.carrying import LedgerState, ResultsBundle
from medperf.client.log_watch import size_of
from medperf.domain.clock import Clock
from medperf.provenance.canonical import digest_of
from medperf.provenance.keys import PrivateKey
from medperf.provenance.notes import NoteKey
from medperf.site.store.ledger import Ledger
from medperf.site.store.mailbox import Mailbox


def write_results_bundle(
    path: Path,
    mailbox: Mailbox,
    signer: PrivateKey,
    *,
    server: str,
    log_key: NoteKey,
    seen: str,
    ledger: Ledger | None,
    clock: Clock,
) -> ResultsBundle:
    """Write what waits for a courier to a new file; answers what is in it.

    Args:
        path: the new file.
        mailbox: the outbox.
        signer: the site's key.
        server: the address of the server it is for.
        log_key: the key of that server's log, as it is known here now.
        seen: the checkpoint of the log that the site saw last; empty before the first.
        ledger: of everything that ever left; a site that is not enrolled yet has none.
        clock: the time.

    Raises:
        ConflictError: the file exists.
    """
    digests = [line.digest for line in ledger.lines()] if ledger else []
    bundle = ResultsBundle(
        server=server,
        log_key=log_key.to_text(),
        key=signer.public.to_text(),
        written_at=clock(),
        log_size=size_of(seen),
        requests=mailbox.outgoing(),
        wanted=mailbox.wanted(),
        ledger=LedgerState(n_lines=len(digests), digest=digest_of(digests)),
    )
    bundle.write(path, signer)
    return bundle
