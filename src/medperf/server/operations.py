"""What an operator does with a server's folder: init, start, let the first admin in."""

import os
import re
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from functools import partial
from multiprocessing import parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import NoReturn

import uvicorn
from fastapi import FastAPI
from sqlalchemy import Connection

from medperf.domain.clock import Clock, system_clock
from medperf.domain.errors import ConflictError, EmptyInputError, InvalidRequestError
from medperf.domain.identifiers import require_name
from medperf.domain.people import EMAIL_PATTERN, InvitationForm, InvitationKind, IssuedInvitation
from medperf.provenance.keys import PrivateKey
from medperf.server.app import build_app, new_secret
from medperf.server.call import SERVER, Call, Caller, Identity
from medperf.server.db.migrate import upgrade
from medperf.server.db.queries import row
from medperf.server.db.session import Database
from medperf.server.db.tables import organizations
from medperf.server.db.writing import add, record
from medperf.server.listening import Listening, listen_at
from medperf.server.log.key_queries import newest_succession
from medperf.server.log.keys import ServerKeys, log_keys
from medperf.server.log.signing import LogSigner
from medperf.server.logs import configure_logs
from medperf.server.metrics import MULTIPROCESS_VARIABLE
from medperf.server.people.queries import INVITATIONS
from medperf.server.people.service import issue_invitation
from medperf.server.processes import Processes
from medperf.server.settings import (
    ADDRESS_FILE,
    KEY_FILE,
    NEXT_KEY_FILE,
    SIGNED_LOG_FILE,
    ServerSettings,
    own_database,
    url_from,
)

FOLDER_VARIABLE = "MEDPERF_SERVER"
_GRACE_S = 20
_BACKLOG = 2048


def init(
    folder: Path,
    *,
    name: str = "MedPerf",
    database_url: str | None = None,
    public_url: str | None = None,
) -> ServerSettings:
    """Make a server's folder: settings, a new key, an empty database of this version.

    Raises:
        ConflictError: if the folder holds a server already.
        InvalidRequestError: if it cannot be called so; nothing is made then.
    """
    require_name(name)
    folder = prepare_folder(folder)
    settings = ServerSettings(
        name=name,
        database_url=url_from(Path.cwd(), database_url) if database_url else own_database(folder),
        public_url=public_url,
    )
    _with_database(settings, upgrade)
    settings.save(folder)
    write_secret(folder / KEY_FILE, PrivateKey.generate().to_pem())
    return settings


def invite_user(
    folder: Path,
    *,
    name: str,
    email: str,
    organization: str,
    is_admin: bool = False,
    clock: Clock = system_clock,
) -> IssuedInvitation:
    """Let somebody in from the server's own machine: the first admin comes in this way.

    Raises:
        InvalidRequestError: as `require_person`.
    """
    organization = require_person(name=name, email=email, organization=organization)
    settings = ServerSettings.load(folder)
    database = Database(settings.database_url, for_operator=True)
    try:
        with database.writing() as connection:
            call = own_call(folder, settings, connection, clock)
            form = InvitationForm(
                kind=InvitationKind.USER,
                organization_id=_organization(call, organization),
                name=name,
                email=email,
                is_admin=is_admin,
            )
            number, token = issue_invitation(call, form)
            invitation = INVITATIONS.one(connection, call.caller, number)
    finally:
        database.close()
    return IssuedInvitation.model_validate({"invitation": invitation, "token": token})


def require_person(*, name: str, email: str, organization: str) -> str:
    """Refuse whoever could not be invited; answers the organization's name as it is kept.

    Raises:
        InvalidRequestError: if a name or the address is none.
    """
    require_name(name)
    if not re.fullmatch(EMAIL_PATTERN, email):
        raise InvalidRequestError(
            f"{email!r} is no e-mail address", hint="Write it as in name@example.org."
        )
    return require_name(organization)


def start(
    folder: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    processes: int = 1,
    on_listening: Callable[[str], None] = print,
) -> None:
    """Serve until told to stop; migrate first.

    ``port`` 0 takes a free one. The address stands in ``server.address`` while the server runs.

    Raises:
        ConflictError: if the address is taken.
    """
    with listen_at(host, port) as listening:
        _serve(folder.resolve(), listening, processes, on_listening)


def _serve(
    folder: Path, listening: Listening, processes: int, on_listening: Callable[[str], None]
) -> None:
    settings = ServerSettings.load(folder)
    configure_logs()
    _with_database(settings, upgrade)
    _with_database(settings, partial(settle_next_key, folder))
    signer = LogSigner(keys_of(folder), folder / SIGNED_LOG_FILE)
    _with_database(settings, partial(_require_own_log, signer))
    os.environ[FOLDER_VARIABLE] = str(folder)
    config = uvicorn.Config(
        "medperf.server.operations:app_of_folder",
        factory=True,
        workers=processes,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
        timeout_keep_alive=75,
        backlog=_BACKLOG,
    )
    counted = tempfile.mkdtemp(prefix="medperf-metrics-") if processes > 1 else None
    if counted:
        os.environ[MULTIPROCESS_VARIABLE] = counted
    if processes == 1:
        # Whoever reads the address now is answered as soon as the app is there. Of several
        # processes each listens at a socket of its own, and this one would keep what it gets.
        listening[0].listen(_BACKLOG)
    (folder / ADDRESS_FILE).write_text(listening.url + "\n")
    on_listening(f"{settings.name} listens at {listening.url} ({processes} process(es))")
    # The runner raises the signal again when it is done; this lets the lines below still run.
    signal.signal(signal.SIGTERM, _exit)
    try:
        if processes > 1:
            Processes(config, listening).run()
        else:
            uvicorn.Server(config).run(sockets=listening)
    finally:
        (folder / ADDRESS_FILE).unlink(missing_ok=True)
        if counted:
            shutil.rmtree(counted, ignore_errors=True)


def _exit(_number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)


def app_of_folder() -> FastAPI:
    """The app of the folder that the environment names; each process calls this once."""
    folder = Path(os.environ[FOLDER_VARIABLE])
    configure_logs()
    if (parent := parent_process()) is not None:
        # Killed without a chance to stop its processes, it would leave them behind, answering.
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()
    return build_app(
        ServerSettings.load(folder),
        load_key(folder),
        look_for_keys=partial(keys_here, folder),
        signed_log=folder / SIGNED_LOG_FILE,
    )


def _end_after(parent: BaseProcess) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def prepare_folder(folder: Path) -> Path:
    """Make a folder for a new server and answer its absolute path.

    Raises:
        ConflictError: if it holds a server already.
    """
    folder = folder.resolve()
    if (folder / KEY_FILE).exists():
        raise ConflictError(
            f"{folder} holds a server already",
            hint="Name a new folder; 'medperf server start' starts this one, and"
            " 'medperf server user --admin' invites an admin into it.",
        )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def load_key(folder: Path) -> PrivateKey:
    """Read the key that signs grants.

    Raises:
        EmptyInputError: if there is none.
    """
    try:
        return PrivateKey.from_pem((folder / KEY_FILE).read_bytes())
    except FileNotFoundError:
        raise EmptyInputError(
            f"{folder} has no {KEY_FILE}, the server's own key",
            hint="Put it back, or make the server anew from its backup: medperf server restore",
        ) from None


def keys_here(folder: Path) -> list[PrivateKey]:
    """The keys in a folder: the one in use, and the next one while it takes its place."""
    paths = (folder / KEY_FILE, folder / NEXT_KEY_FILE)
    return [PrivateKey.from_pem(path.read_bytes()) for path in paths if path.exists()]


def keys_of(folder: Path) -> ServerKeys:
    """The keys of the server in a folder.

    Raises:
        EmptyInputError: if there is none.
    """
    return ServerKeys(load_key(folder), partial(keys_here, folder))


def own_call(folder: Path, settings: ServerSettings, connection: Connection, clock: Clock) -> Call:
    """A call of the operator, on the server's own machine."""
    keys = keys_of(folder)
    log = LogSigner(keys, folder / SIGNED_LOG_FILE)
    identity = Identity(settings.name, keys, new_secret, settings.grant_valid, log)
    return Call(connection, Caller(is_admin=True), clock(), identity)


def settle_next_key(folder: Path, database: Database) -> None:
    """Put the next key in the old one's place, if the log says that it follows already."""
    path = folder / NEXT_KEY_FILE
    if not path.exists():
        return
    with database.writing() as connection:  # nobody else makes or moves a key meanwhile
        if path.exists() and newest_succession(connection) is not None:
            following = PrivateKey.from_pem(path.read_bytes()).public
            if log_keys(connection, None).current.public == following:
                path.replace(folder / KEY_FILE)


def write_secret(path: Path, content: bytes) -> None:
    """Write a new file that only its owner may ever have read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _with_database(settings: ServerSettings, act: Callable[[Database], None]) -> None:
    database = Database(settings.database_url, for_operator=True)
    try:
        act(database)
    finally:
        database.close()


def _require_own_log(signer: LogSigner, database: Database) -> None:
    with database.reading() as connection:
        signer.checkpoint(connection)


def _organization(call: Call, name: str) -> int:
    known = row(call.connection, organizations, organizations.c.name == name)
    if known is not None:
        return int(known["id"])
    number = add(call, organizations, name=name, created_at=call.now)
    record(call, "organization.register", f"organization:{number}", actor=SERVER)
    return number
