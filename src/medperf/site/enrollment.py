"""How a site comes in: a folder, a key, and an invitation that is taken up with proof of the key.

Every part can be repeated. Killed after the server took the invitation, the next attempt finds that
the server knows its key and goes on; killed before, it uses the same key again.

A site without a network enrolls in two parts: its request waits for a courier, and what the courier
brings back is checked with the log's key that a person gave it.
"""

import json
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from medperf.client.api import ServerClient
from medperf.client.carrying import ResultsBundle
from medperf.client.key_file import own_key_file, read_key_file
from medperf.client.log_watch import LogWatch
from medperf.client.offline import offline_client
from medperf.client.transport import SiteCredential
from medperf.domain.clock import Clock, system_clock
from medperf.domain.errors import (
    AwaitingCourierError,
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    InvitationError,
    NotFoundError,
    UnauthenticatedError,
)
from medperf.domain.people import Enrollment, ServerInfo, Site
from medperf.provenance.keys import PrivateKey
from medperf.provenance.notes import NoteKey
from medperf.site.folder import SiteFolder
from medperf.site.intake import TakenIn, take_in
from medperf.site.offline import OfflineServer
from medperf.site.outgoing import write_results_bundle
from medperf.site.policy_in_force import SitePolicy
from medperf.site.settings import Settings, read_settings, write_settings
from medperf.site.store import mailbox, policies
from medperf.site.store.connection import Store
from medperf.site.store.mailbox import Mailbox

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
        trusted = _log_key(anybody.info())
        enrolled = _take_up(anybody, site, signer, invitation, name)
    finally:
        anybody.close()
        site.close()
    settings = _settings(enrolled, address, trusted)
    with Store(place.store, (policies.TABLES,)) as store:
        _begin(place, store, signer, settings, clock)
    return settings


@dataclass(frozen=True, slots=True)
class Enrolling:
    """What a site without a network is to become."""

    server: str
    log_key: str
    invitation: str
    name: str

    @classmethod
    def of(cls, place: SiteFolder) -> Self:
        """What was asked for in this folder.

        Raises:
            NotFoundError: nothing was.
        """
        try:
            return cls(**json.loads(place.enrolling.read_text("utf-8")))
        except FileNotFoundError:
            raise NotFoundError(
                f"there is no site in {place.root}",
                hint="Run 'medperf site init --air-gapped' first.",
            ) from None


def ask_to_enroll(folder: Path, wanted: Enrolling, *, clock: Clock = system_clock) -> None:
    """Make a site in ``folder`` whose request to be enrolled waits for a courier.

    Raises:
        ConflictError: another site lives in the folder, or the folder is not ours.
        InvalidRequestError: the log's key is none.
    """
    NoteKey.from_text(wanted.log_key)
    place = SiteFolder(folder.absolute())
    if place.settings.exists():
        _same_site(place, wanted.server, wanted.name)
        return
    place.create()
    own_key_file(place.key)
    place.enrolling.touch(mode=0o600)
    place.enrolling.write_text(json.dumps(asdict(wanted)), "utf-8")
    with suppress(AwaitingCourierError):
        finish_enrolling(place, clock=clock)


def finish_enrolling(place: SiteFolder, *, clock: Clock = system_clock) -> Settings:
    """Take up the server's answer, once a courier brought it; answers the settings.

    Raises:
        AwaitingCourierError: none did yet.
        InvitationError: the invitation is unknown, used by somebody else, or expired.
    """
    wanted, signer = Enrolling.of(place), read_key_file(place.key)
    with Store(place.store, (policies.TABLES, mailbox.TABLES)) as store:
        answer = OfflineServer(Mailbox(store, clock), clock).answer
        anybody = offline_client(wanted.server, None, answer)
        site = offline_client(wanted.server, SiteCredential(signer, clock), answer)
        enrolled = _take_up(anybody, site, signer, wanted.invitation, wanted.name)
        settings = _settings(enrolled, wanted.server, wanted.log_key, air_gapped=True)
        _begin(place, store, signer, settings, clock)
    place.enrolling.unlink()
    return settings


def take_in_enrolling(
    place: SiteFolder, file: Path, *, clock: Clock = system_clock
) -> tuple[TakenIn, Settings]:
    """Take in the work bundle that brings the server's answer, and become a site.

    Raises:
        MedPerfError: as `medperf.site.intake.take_in` and `finish_enrolling`.
    """
    log_watch = LogWatch(place.log, Enrolling.of(place).log_key)
    with Store(place.store, (mailbox.TABLES,)) as store:
        taken = take_in(
            file,
            Mailbox(store, clock),
            place.carried,
            log_watch=log_watch,
            site_key_id=read_key_file(place.key).key_id,
        )
    return taken, finish_enrolling(place, clock=clock)


def write_enrolling_results(
    place: SiteFolder, file: Path, *, clock: Clock = system_clock
) -> ResultsBundle:
    """Write the request to be enrolled to a new file, for a courier.

    Raises:
        NotFoundError: nobody asked for a site in this folder.
        ConflictError: the file exists.
    """
    wanted = Enrolling.of(place)
    with Store(place.store, (mailbox.TABLES,)) as store:
        return write_results_bundle(
            file,
            Mailbox(store, clock),
            read_key_file(place.key),
            server=wanted.server,
            log_key=NoteKey.from_text(wanted.log_key),
            seen="",
            ledger=None,
            clock=clock,
        )


def _settings(enrolled: Site, server: str, log_key: str, air_gapped: bool = False) -> Settings:
    return Settings(
        name=enrolled.name,
        server=server,
        log_key=log_key,
        site_id=enrolled.id,
        organization_id=enrolled.organization_id,
        air_gapped=air_gapped,
    )


def _begin(
    place: SiteFolder, store: Store, signer: PrivateKey, settings: Settings, clock: Clock
) -> None:
    SitePolicy(place.policy, store, signer, site_id=settings.site_id, clock=clock).begin()
    write_settings(place.settings, settings)


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


def _log_key(info: ServerInfo) -> str:
    key = NoteKey.from_text(info.log_key)
    if key.public.key_id != info.key_id:
        raise InvalidRequestError(
            f"the server calls its key {info.key_id}, the log's is {key.public.key_id}"
        )
    return info.log_key
