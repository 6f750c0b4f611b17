"""A server's folder: settings, the key that signs grants, and (with SQLite) the data."""

from datetime import timedelta
from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medperf.domain.errors import EmptyInputError, MalformedFileError
from medperf.domain.identifiers import Name

SETTINGS_FILE = "server.yaml"
KEY_FILE = "server-key.pem"
NEXT_KEY_FILE = "server-next-key.pem"
SIGNED_LOG_FILE = "log-checkpoint"
ADDRESS_FILE = "server.address"
DATABASE_FILE = "data.sqlite"
_SQLITE = "sqlite:///"


class ServerSettings(BaseModel):
    """What the operator may set in ``server.yaml``.

    Attributes:
        name: how the server names itself, in its grants too.
        database_url: ``sqlite:///path``, from the folder on, or
            ``postgresql://user@host/database``.
        public_url: where others reach it; shown with invitations.
        grant_hours: how long a grant can be used.
        largest_body_bytes: larger requests are refused unread.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name = "MedPerf"
    database_url: str
    public_url: str | None = None
    grant_hours: float = Field(default=24, gt=0, le=24 * 90)
    largest_body_bytes: int = Field(default=16 * 2**20, ge=2**16)

    @property
    def grant_valid(self) -> timedelta:
        """How long a grant can be used."""
        return timedelta(hours=self.grant_hours)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a server's folder.

        Raises:
            EmptyInputError: if it is none.
            MalformedFileError: if the settings are not.
        """
        path = folder / SETTINGS_FILE
        try:
            read = yaml.safe_load(path.read_text("utf-8"))
        except FileNotFoundError:
            raise EmptyInputError(
                f"{folder} is no server's folder: it has no {SETTINGS_FILE}",
                hint="Make one with 'medperf server init'.",
            ) from None
        except yaml.YAMLError as error:
            raise MalformedFileError(f"{path} is not YAML: {error}") from None
        try:
            settings = cls.model_validate(read)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the file"
            if first["type"] == "extra_forbidden":
                raise MalformedFileError(
                    f"{path}: there is no setting {place!r}",
                    hint=f"Settings are: {', '.join(cls.model_fields)}.",
                ) from None
            raise MalformedFileError(f"{path}: {place}: {first['msg']}") from None
        return settings.model_copy(update={"database_url": url_from(folder, settings.database_url)})

    def save(self, folder: Path) -> None:
        """Write them; a database's URL can hold a password, so only the owner may read."""
        path = folder / SETTINGS_FILE
        path.touch(mode=0o600)
        # A file inside is named from the folder on, so that the folder can be moved.
        inside = f"{_SQLITE}{folder.resolve()}/"
        written = self.model_dump(exclude_none=True)
        if self.database_url.startswith(inside):
            written["database_url"] = _SQLITE + self.database_url.removeprefix(inside)
        path.write_text(yaml.safe_dump(written, sort_keys=False))


def own_database(folder: Path) -> str:
    """The URL of the database that a server has by itself."""
    return _SQLITE + str(folder.resolve() / DATABASE_FILE)


def url_from(place: Path, url: str) -> str:
    """A database's URL with the whole path of a file, which is named from a place on."""
    path = url.removeprefix(_SQLITE)
    if not url.startswith(_SQLITE) or path.startswith((":", "file:")):
        return url
    return _SQLITE + str(place.resolve() / path)
