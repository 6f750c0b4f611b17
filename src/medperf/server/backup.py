"""A whole server in one file, the same for SQLite and PostgreSQL: gzip-compressed JSON lines.

The first line says what it is and holds settings and key; each further line is one row. It is read
from one snapshot of the database while the server runs, and it can be restored into the other kind
of database too. The file holds the key that signs grants, so only its owner may read it.
"""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from sqlalchemy import Boolean, Connection, MetaData, func, text

from medperf.domain.clock import Clock, system_clock
from medperf.domain.errors import ConflictError, EmptyInputError, MalformedFileError
from medperf.domain.identifiers import format_time
from medperf.provenance.keys import PrivateKey
from medperf.server.db.migrate import current, upgrade
from medperf.server.db.queries import value
from medperf.server.db.session import Database
from medperf.server.db.tables import metadata
from medperf.server.log.keys import ServerKeys
from medperf.server.log.signing import LogSigner
from medperf.server.operations import load_key, prepare_folder, settle_next_key, write_secret
from medperf.server.settings import (
    KEY_FILE,
    SIGNED_LOG_FILE,
    ServerSettings,
    own_database,
    url_from,
)

FORMAT = "medperf.backup/v1"
_BATCH = 500
_ANOTHER = "Copy the file again, or restore an earlier backup."


def backup(folder: Path, target: Path, *, clock: Clock = system_clock) -> int:
    """Write everything to a new file and answer how many rows it holds.

    Raises:
        ConflictError: if the file exists.
    """
    settings = ServerSettings.load(folder)
    if target.exists():
        raise ConflictError(f"{target} exists, a backup never overwrites", hint="Name a new file.")
    unfinished = target.with_name(target.name + ".part")
    unfinished.unlink(missing_ok=True)
    database = Database(settings.database_url, for_operator=True)
    try:
        settle_next_key(folder, database)
        header = {
            "format": FORMAT,
            "made_at": format_time(clock()),
            "revision": current(database),
            "settings": settings.model_dump(exclude={"database_url"}),
            "key": load_key(folder).to_pem().decode(),
        }
        write_secret(unfinished, b"")
        with gzip.open(unfinished, "wt", encoding="utf-8") as file:
            file.write(json.dumps(header) + "\n")
            n_rows = _write_rows(database, file)
            file.write(json.dumps({"end": n_rows}) + "\n")
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
        database.close()
    return n_rows


def restore(source: Path, folder: Path, *, database_url: str | None = None) -> int:
    """Make a server's folder and database from a backup; answer how many rows it held.

    Raises:
        ConflictError: if the folder holds a server or the database holds anything.
        MalformedFileError: if the file is no backup, or not a whole one.
        LogForkError: if the folder holds a newer checkpoint than the backup's log has.
    """
    header = _require_whole(source)
    lines = _lines(source)
    next(lines)
    folder = prepare_folder(folder)
    url = url_from(Path.cwd(), database_url) if database_url else own_database(folder)
    database = Database(url, for_operator=True)
    try:
        if current(database) is not None:
            raise ConflictError(
                "the database is not empty; restore into a new one",
                hint="Name an empty database with --database-url, or a new folder.",
            )
        try:
            upgrade(database, header["revision"])
            with database.writing() as connection:
                n_rows = _read_rows(connection, lines)
            upgrade(database)
            _require_continues(header["key"], folder, database)
        except BaseException:
            _clear(database)
            raise
    finally:
        database.close()
    ServerSettings.model_validate({**header["settings"], "database_url": url}).save(folder)
    write_secret(folder / KEY_FILE, header["key"].encode())
    return n_rows


def _require_whole(source: Path) -> dict[str, Any]:
    """Read the file to its end before anything is made of it; answer its first line."""
    lines = _lines(source)
    header = next(lines, None)
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise MalformedFileError(
            f"{source} is not a backup of a MedPerf server",
            hint="Name a file that 'medperf server backup' wrote.",
        )
    for n_rows, line in enumerate(lines):
        if isinstance(line, dict):
            if line.get("end") == n_rows:
                return header
            break
    raise MalformedFileError(f"{source} ends too early; nothing was restored", hint=_ANOTHER)


def _clear(database: Database) -> None:
    """Leave the database as empty as it was, so that another backup can be restored into it."""
    found = MetaData()
    with database.writing() as connection:
        found.reflect(connection)
        found.drop_all(connection)


def _require_continues(key: str, folder: Path, database: Database) -> None:
    """Refuse a backup that is older than what the server of this folder signed last."""
    keys = ServerKeys(PrivateKey.from_pem(key.encode()))
    signer = LogSigner(keys, folder / SIGNED_LOG_FILE)
    with database.reading() as connection:
        signer.checkpoint(connection)


def _write_rows(database: Database, file: TextIO) -> int:
    n_rows = 0
    with database.snapshot() as connection:
        for table in metadata.sorted_tables:
            columns = ", ".join(f'"{column.name}"' for column in table.columns)
            # As text, so that what is restored is what was stored, to the byte.
            order = ", ".join(f'"{column.name}"' for column in table.primary_key)
            found = connection.execute(
                text(f"SELECT {columns} FROM {table.name} ORDER BY {order}")  # noqa: S608
            )
            for row in found:
                file.write(json.dumps([table.name, dict(row._mapping)]) + "\n")  # noqa: SLF001
                n_rows += 1
    return n_rows


def _read_rows(connection: Connection, lines: Iterator[Any]) -> int:
    name, batch = "", list[dict[str, Any]]()
    n_rows = 0
    for line in lines:
        if isinstance(line, dict):
            break
        if line[0] != name or len(batch) >= _BATCH:
            _insert(connection, name, batch)
            name, batch = line[0], []
        batch.append(line[1])
        n_rows += 1
    _insert(connection, name, batch)
    _continue_counting(connection)
    return n_rows


def _insert(connection: Connection, name: str, batch: list[dict[str, Any]]) -> None:
    if batch:
        if name not in metadata.tables:
            raise MalformedFileError(f"the backup has rows of a table {name[:40]!r}")
        columns = ", ".join(f'"{column}"' for column in batch[0])
        places = ", ".join(f":{column}" for column in batch[0])
        flags = [c.name for c in metadata.tables[name].columns if isinstance(c.type, Boolean)]
        for values in batch:
            # SQLite keeps them as numbers, PostgreSQL does not.
            values.update({flag: bool(values[flag]) for flag in flags if flag in values})
        connection.execute(text(f"INSERT INTO {name} ({columns}) VALUES ({places})"), batch)  # noqa: S608


def _continue_counting(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        return
    for table in metadata.sorted_tables:
        if "id" in table.columns:
            highest = value(connection, func.max(table.c.id))
            if highest is not None:
                connection.execute(
                    text("SELECT setval(pg_get_serial_sequence(:name, 'id'), :highest)"),
                    {"name": table.name, "highest": highest},
                )


def _lines(source: Path) -> Iterator[Any]:
    try:
        with gzip.open(source, "rt", encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)
    except FileNotFoundError:
        raise EmptyInputError(f"there is no file {source}") from None
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise MalformedFileError(f"{source} is damaged: {error}", hint=_ANOTHER) from None
