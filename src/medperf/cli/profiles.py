"""The logins of this machine: which servers a person uses, and the secrets that prove it.

``profiles.yaml`` is written as JSON, which is YAML too, so that reading it needs no YAML library
(its import would cost a fifth of the time ``dataset ls`` may take); a file edited by hand may be
any YAML. Secrets lie in ``credentials``, which only its owner can read.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from medperf.domain.errors import (
    InvalidRequestError,
    MalformedFileError,
    NotFoundError,
    UnauthenticatedError,
)

DEFAULT_NAME = "default"


@dataclass(frozen=True, slots=True)
class Profile:
    """One login: who, and at which server."""

    name: str
    server: str
    user: str = ""
    organization: str = ""
    access_token_id: int | None = None
    log_key: str = ""


@dataclass(frozen=True, slots=True)
class Profiles:
    """Every login of this machine and which one is current."""

    current: str = DEFAULT_NAME
    by_name: Mapping[str, Profile] = field(default_factory=dict)


def home() -> Path:
    """Where a person's settings are: MEDPERF_HOME or ``~/.config/medperf``."""
    given = os.environ.get("MEDPERF_HOME")
    return Path(given) if given else Path.home() / ".config" / "medperf"


def load() -> Profiles:
    """Read the logins; none is fine.

    Raises:
        MalformedFileError: the file is not what this module writes.
    """
    document = _read(home() / "profiles.yaml")
    try:
        profiles = {
            name: Profile(name=name, **entry)
            for name, entry in document.get("profiles", {}).items()
        }
    except (TypeError, AttributeError) as error:
        raise MalformedFileError(
            f"{home() / 'profiles.yaml'}: {error}", hint="Correct it, or log in again."
        ) from None
    return Profiles(str(document.get("current", DEFAULT_NAME)), profiles)


def choose(named: str | None = None) -> Profile:
    """The login to use: the one named, that of MEDPERF_PROFILE, or the current one.

    Raises:
        UnauthenticatedError: there is no login yet.
        NotFoundError: there is none of this name.
    """
    profiles = load()
    wanted = named or os.environ.get("MEDPERF_PROFILE")
    if not profiles.by_name:
        raise UnauthenticatedError(
            "you are not logged in on this machine",
            hint="Run 'medperf login --server URL --invitation TOKEN' with your invitation.",
        )
    name = wanted or profiles.current
    if name not in profiles.by_name:
        raise NotFoundError(
            f"there is no profile {name!r}; there is {', '.join(profiles.by_name)}",
            hint="Choose one with --profile NAME, MEDPERF_PROFILE or 'medperf profile use'.",
        )
    return profiles.by_name[name]


def remember(profile: Profile, secret: str) -> None:
    """Keep a login and make it the current one."""
    profiles = load()
    secrets = _read(home() / "credentials")
    _write(home() / "credentials", {**secrets, profile.name: {"secret": secret}})
    _save(Profiles(profile.name, {**profiles.by_name, profile.name: profile}))


def forget(name: str) -> None:
    """Drop a login and its secret; the first that is left becomes the current one."""
    profiles = load()
    secrets = _read(home() / "credentials")
    secrets.pop(name, None)
    _write(home() / "credentials", secrets)
    left = {key: profile for key, profile in profiles.by_name.items() if key != name}
    current = profiles.current if profiles.current in left else next(iter(left), DEFAULT_NAME)
    _save(Profiles(current, left))


def use(name: str) -> Profile:
    """Make a login the current one."""
    profile = choose(name)
    _save(replace(load(), current=name))
    return profile


def change(profile: Profile) -> None:
    """Keep a login that is there already, with what changed of it."""
    profiles = load()
    _save(replace(profiles, by_name={**profiles.by_name, profile.name: profile}))


def secret_of(profile: Profile) -> str:
    """The secret of a login.

    Raises:
        UnauthenticatedError: it is not there any more.
    """
    entry = _read(home() / "credentials").get(profile.name)
    if not isinstance(entry, dict) or "secret" not in entry:
        raise UnauthenticatedError(
            f"the secret of profile {profile.name!r} is missing from {home() / 'credentials'}",
            hint="Ask an admin for a new invitation and log in again.",
        )
    return str(entry["secret"])


def check_server_address(url: str) -> str:
    """Answer the address without a trailing slash.

    Raises:
        InvalidRequestError: it is not an http or https address.
    """
    if not url.startswith(("https://", "http://")):
        raise InvalidRequestError(
            f"{url!r} is not the address of a server",
            hint="Write it with https://, as in https://medperf.example.org.",
        )
    return url.rstrip("/")


def _save(profiles: Profiles) -> None:
    entries = {
        profile.name: {
            "server": profile.server,
            "user": profile.user,
            "organization": profile.organization,
            "access_token_id": profile.access_token_id,
            "log_key": profile.log_key,
        }
        for profile in profiles.by_name.values()
    }
    _write(home() / "profiles.yaml", {"current": profiles.current, "profiles": entries})


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    document = _parse(path, text)
    if not isinstance(document, dict):
        raise MalformedFileError(f"{path} is not a table of entries", hint="Log in again.")
    return document


def _parse(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        import yaml

        try:
            return yaml.safe_load(text) or {}
        except yaml.YAMLError as error:
            raise MalformedFileError(
                f"{path} is not YAML: {error}", hint="Correct it, or log in again."
            ) from None


def _write(path: Path, document: Mapping[str, Any]) -> None:
    # Written beside and moved into place: never half a file, never readable by others.
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(json.dumps(document, indent=2) + "\n")
    beside.replace(path)
