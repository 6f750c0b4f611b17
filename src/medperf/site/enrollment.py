"""How a site comes in: a folder, a key, and an invitation that is taken up with proof of the key.

Every part can be repeated. Killed after the server took the invitation, the next attempt finds that
the server knows its key and goes on; killed before, it uses the same key again.
"""

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

from medperf.client.api import ServerClient
from medperf.client.key_file import own_key_file
from medperf.client.transport import SiteCredential
from medperf.domain.clock import Clock, system_clock
from medperf.domain.errors import (
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    InvitationError,
    UnauthenticatedError,
)
from medperf.domain.people import Enrollment, ServerInfo, Site
from medperf.provenance.keys import PrivateKey, PublicKey
from medperf.site.folder import SiteFolder
from medperf.site.policy_in_force import SitePolicy
from medperf.site.settings import Settings, read_settings, write_settings
from medperf.site.store import policies
from medperf.site.store.connection import Store

Connect = Callable[[str, SiteCredential | None], ServerClient]


def enroll(
    folder: Path,
    *,
    server: str,
    invitation: str,
    name: str,
    clock: Clock = system_clock,
    connect: Connect = ServerClient,
) -> Settings:
    """Make a site in ``folder`` and enroll it; answers the settings that were written.

    Doing it again with the same server and name answers what is there.

    Args:
        folder: made when missing; only its owner may enter it.
        server: the server's address.
        invitation: the one-time token.
        name: what the site is called.
        clock: the time.
        connect: how a client is made from an address and a credential.

    Raises:
        ConflictError: another site lives in the folder, or the folder is not ours.
        InvitationError: the invitation is unknown, used by somebody else, or expired.
        UnavailableError: the server is away.
    """
    place = SiteFolder(folder.absolute())
    address = server.rstrip("/")
    if place.settings.exists():
        return _same_site(place, address, name)
    place.create()
    signer = own_key_file(place.key)
    anybody, site = connect(address, None), connect(address, SiteCredential(signer, clock))
    try:
        info = anybody.info()
        _require_key(info)
        enrolled = _take_up(anybody, site, signer, invitation, name)
    finally:
        anybody.close()
        site.close()
    settings = Settings(
        name=enrolled.name,
        server=address,
        server_public_key=info.public_key,
        site_id=enrolled.id,
        organization_id=enrolled.organization_id,
    )
    with Store(place.store, (policies.TABLES,)) as store:
        SitePolicy(place.policy, store, signer, site_id=enrolled.id, clock=clock).begin()
    write_settings(place.settings, settings)
    return settings


def _same_site(place: SiteFolder, server: str, name: str) -> Settings:
    settings = read_settings(place.settings)
    if (settings.server.rstrip("/"), settings.name) == (server, name):
        return settings
    raise ConflictError(
        f"{place.root} is the folder of site {settings.name!r} at {settings.server}",
        hint="Choose another --folder for another site.",
    )


def _take_up(
    anybody: ServerClient, site: ServerClient, signer: PrivateKey, invitation: str, name: str
) -> Site:
    proof = b64encode(signer.sign(f"medperf-enroll:{invitation}".encode())).decode()
    form = Enrollment(token=invitation, name=name, public_key=signer.public.to_text(), proof=proof)
    try:
        return anybody.sites.enroll(form)
    except (InvitationError, ConflictError):
        known = who_has_key(site)
        if known is None:
            raise
        if known.name != name:
            raise ConflictError(
                f"this key is enrolled as site {known.name!r}",
                hint=f"Run it again with --name {known.name!r}.",
            ) from None
        return known


def who_has_key(site: ServerClient) -> Site | None:
    """The site that the server takes a client's key for, if it knows it."""
    try:
        return site.me().site
    except (UnauthenticatedError, ForbiddenError):
        return None


def _require_key(info: ServerInfo) -> None:
    key = PublicKey.from_text(info.public_key)
    if key.key_id != info.key_id:
        raise InvalidRequestError(f"the server calls its key {info.key_id}, it is {key.key_id}")
