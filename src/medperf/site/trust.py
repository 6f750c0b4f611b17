"""Trusting the next key of the server's log, after the former one was revoked.

A properly signed succession is followed without anybody. A revoked key cannot lead to the next one:
a person, who compared it by a way that a thief does not have, names it. The log must still be the
one that this site saw, or its history forked.
"""

from pathlib import Path

from medperf.client.api import ServerClient
from medperf.client.log_watch import LogWatch
from medperf.provenance.notes import NoteKey
from medperf.site.enrollment import Connect
from medperf.site.folder import SiteFolder
from medperf.site.settings import read_settings, set_log_key


def trust_log_key(folder: Path, key: str, *, connect: Connect = ServerClient) -> None:
    """Trust a key of the log from now on.

    A site without a network cannot ask; the next work bundle has to prove the same.

    Args:
        folder: of the site.
        key: ``name+hash+base64``.
        connect: how a client is made from an address and a credential.

    Raises:
        InvalidRequestError: it is no key, or that of another log.
        UntrustedError: the server does not sign this log with it.
        LogForkError: the log is not the one that this site saw; both checkpoints are kept.
        UnavailableError: the server is away.
    """
    place = SiteFolder(folder.absolute())
    place.require()
    settings = read_settings(place.settings)
    NoteKey.from_text(settings.log_key).require_same_log(key)
    if not settings.air_gapped:
        client = connect(settings.server, None)
        try:
            LogWatch(place.log, key).confirm(client.transport)
        finally:
            client.close()
    set_log_key(place.settings, key)
