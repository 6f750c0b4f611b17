"""A site's next key: made, proven to the server, and only then put in the old one's place.

Every part can be repeated. Killed after the server took the next key, the next attempt finds that
the server knows it and goes on. Grants were given to the old key, so the server takes back what is
under way; the agent, which must not run meanwhile, gets new grants and reuses what was predicted.
"""

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

from medperf.client.api import ServerClient
from medperf.client.key_file import own_key_file, read_key_file
from medperf.client.transport import SiteCredential
from medperf.domain.clock import Clock, system_clock
from medperf.domain.errors import UnauthenticatedError
from medperf.domain.people import KeyRotation, Site
from medperf.provenance.keys import PrivateKey
from medperf.site import policy_reports
from medperf.site.enrollment import Connect, who_has_key
from medperf.site.events import site_log
from medperf.site.folder import SiteFolder
from medperf.site.settings import read_settings
from medperf.site.store import leases, policies
from medperf.site.store.connection import Store


def rotate_key(
    folder: Path, *, clock: Clock = system_clock, connect: Connect = ServerClient
) -> Site:
    """Give the site in ``folder`` a new key; answers the site with all its keys.

    Args:
        folder: of the site.
        clock: the time.
        connect: how a client is made from an address and a credential.

    Raises:
        StoreLockedError: the site's agent runs.
        UnauthenticatedError: the server knows neither key; the site must be enrolled anew.
        UnavailableError: the server is away; nothing changed.
    """
    place = SiteFolder(folder.absolute())
    place.require()
    # As the agent holds it: neither runs while the other does.
    tables = (leases.TABLES, policies.TABLES, policy_reports.TABLES)
    with Store(place.store, tables) as store, leases.Lease(store, place.lock, clock):
        return _rotate(place, store, clock, connect)


def _rotate(place: SiteFolder, store: Store, clock: Clock, connect: Connect) -> Site:
    settings = read_settings(place.settings)
    former, following = read_key_file(place.key), own_key_file(place.next_key)

    def ask(key: PrivateKey, question: Callable[[ServerClient], Site | None]) -> Site | None:
        client = connect(settings.server, SiteCredential(key, clock))
        try:
            return question(client)
        finally:
            client.close()

    # An attempt that was killed may have told the server already.
    found = ask(following, who_has_key)
    if found is None:
        proof = following.sign(f"medperf-rotate:{settings.site_id}".encode())
        form = KeyRotation(public_key=following.public.to_text(), proof=b64encode(proof).decode())

        def rotate(client: ServerClient) -> Site:
            # What the old key signed can only be logged while it is active.
            policy_reports.PolicyReports(store, client, site_log()).send()
            return client.sites.rotate_key(form)

        found = ask(former, rotate)
    if found is None:
        raise UnauthenticatedError("the server did not say whose key this is now")
    place.next_key.replace(place.key)
    return found
