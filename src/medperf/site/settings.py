"""``site.yaml``: who the site is and how much of the machine it may use; rules are policies.

The file is flat, one setting a line, so that a person can edit it and a program can change one
line without touching the others. What the server says can never change it.
"""

import os
import tempfile
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medperf.domain.errors import InvalidRequestError, MalformedFileError
from medperf.domain.identifiers import Id, Name
from medperf.runners.base import GIB, MIB


class Settings(BaseModel):
    """The content of ``site.yaml``; sizes in bytes, times in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    name: Name
    server: str = Field(pattern=r"^https?://\S+$")
    log_key: str
    site_id: Id
    organization_id: Id

    runner: Literal["auto", "docker", "podman", "apptainer", "sandbox"] = "auto"
    allow_bare: bool = False
    allow_local: bool = False
    workers: int = Field(default=2, ge=1, le=256)
    cpus: Annotated[float, Field(gt=0)] | None = None
    memory_bytes: Annotated[int, Field(ge=64 * MIB)] | None = None
    gpus: str = Field(default="", pattern=r"^(|all|\d+(,\d+)*)$")
    step_cpus: Annotated[float, Field(gt=0)] | None = None
    step_memory_bytes: Annotated[int, Field(ge=64 * MIB)] | None = None

    prepare_timeout_s: float = Field(default=72 * 3600.0, gt=0)
    infer_timeout_s: float = Field(default=24 * 3600.0, gt=0)
    evaluate_timeout_s: float = Field(default=6 * 3600.0, gt=0)
    output_bytes: int = Field(default=100 * GIB, ge=MIB)
    log_bytes: int = Field(default=16 * MIB, ge=64 * 1024)
    disk_reserve_bytes: int = Field(default=GIB, ge=0)

    air_gapped: bool = False
    keep_days: float = Field(default=90.0, ge=0)
    keep_bytes: Annotated[int, Field(ge=0)] | None = None

    people: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    smallest_cell: int = Field(default=10, ge=1, le=1_000_000)
    largest_share: float = Field(default=0.5, gt=0, le=1)


IDENTITY = ("name", "server", "log_key", "site_id", "organization_id")
"""Settings that enrollment fixed; ``set`` refuses them."""

_COMMENTS = {
    "name": "Who this site is. Enrollment wrote these five; do not change them.",
    "air_gapped": "Is there no network here, and does a courier carry bundles to and fro?",
    "runner": "auto | docker | podman | apptainer | sandbox",
    "allow_local": "May registered files be paths on this machine? For practice only.",
    "workers": "How many steps run at once, and what they may use together.",
    "prepare_timeout_s": "After how many seconds a step is stopped.",
    "keep_days": "How long outputs that nobody needs stay, and how many bytes of them (null: any).",
    "people": "Under which names a user of this machine may decide; {user: [name, other name]}.",
    "smallest_cell": "No number about fewer people leaves, nor one that one patient dominates.",
    "output_bytes": "What one step may write, and how much space always stays free.",
}


class SettingsFile:
    """The settings as the file has them now, read again only when it changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._settings: Settings | None = None

    def current(self) -> Settings:
        """The settings; while the file cannot be read, the last ones that could.

        Raises:
            MalformedFileError: it could not be read from the start.
        """
        try:
            found = self._path.stat()
            seen = (found.st_mtime_ns, found.st_size, found.st_ino)
            if self._settings is None or seen != self._seen:
                self._settings, self._seen = read_settings(self._path), seen
        except (MalformedFileError, OSError):
            if self._settings is None:
                raise
        return self._settings


def read_settings(path: Path) -> Settings:
    """Read ``site.yaml``.

    Raises:
        MalformedFileError: it cannot be read as settings; the message names the line.
    """
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedFileError(f"{path.name} is not UTF-8 text: {error.reason}") from None
    return parse_settings(text, path.name)


def parse_settings(text: str, name: str = "site.yaml") -> Settings:
    """Read the text of a ``site.yaml``.

    Raises:
        MalformedFileError: as `read_settings`.
    """
    values, lines = _flat(text, name)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else ""
        place = f"{name}, line {lines[key]}" if key in lines else name
        raise MalformedFileError(
            f"{place}: {key}: {_said(first)}", hint=_advice(key, first)
        ) from None


def write_settings(path: Path, settings: Settings) -> None:
    """Write a fresh ``site.yaml`` with its explanations; whole or not at all."""
    lines = []
    for key, value in settings.model_dump(mode="json").items():
        if key in _COMMENTS:
            lines += ["", f"# {_COMMENTS[key]}"]
        lines.append(_line(key, value))
    replace_file(path, "\n".join(lines).lstrip() + "\n")


def set_settings(path: Path, changes: Mapping[str, str]) -> Settings:
    """Change settings in place, keeping every other line: all of them, or none.

    Args:
        path: the ``site.yaml``.
        changes: settings with their values, as they would be written in the file.

    Raises:
        InvalidRequestError: there is no such setting, it is not a person's to change, or the value
            is not one it can have. The file is then as before.
        MalformedFileError: the file itself cannot be read.
    """
    text = path.read_text("utf-8")
    settings = parse_settings(text, path.name)
    for key, value in changes.items():
        _require_known(key)
        try:
            text = _with_line(text, key, _line(key, yaml.safe_load(value)))
            settings = parse_settings(text, path.name)
        except (MalformedFileError, yaml.YAMLError) as error:
            detail = error.detail if isinstance(error, MalformedFileError) else "this is not YAML"
            raise InvalidRequestError(
                f"{key} cannot be {value!r}: {detail}", hint="Nothing was changed; try again."
            ) from None
    replace_file(path, text)
    return settings


def _require_known(key: str) -> None:
    known = [name for name in Settings.model_fields if name not in IDENTITY]
    if key in known:
        return
    near = get_close_matches(key.lower(), known, n=3, cutoff=0.5)
    raise InvalidRequestError(
        f"{key!r} cannot be set; settings: {', '.join(known)}",
        hint=f"Did you mean {' or '.join(near)}?" if near else None,
    )


def set_log_key(path: Path, key: str) -> None:
    """Trust another key of the server's log; the caller has checked that it is one."""
    text = path.read_text("utf-8")
    parse_settings(text, path.name)
    replace_file(path, _with_line(text, "log_key", _line("log_key", key)))


def _flat(text: str, name: str) -> tuple[dict[str, Any], dict[str, int]]:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{name}, line {mark.line + 1}" if mark else name
        problem = getattr(error, "problem", None) or "this is not YAML"
        raise MalformedFileError(f"{place}: {problem}") from None
    except (ValueError, RecursionError) as error:
        raise MalformedFileError(f"{name}: {error}") from None
    if not isinstance(values, dict) or not isinstance(node, yaml.MappingNode):
        raise MalformedFileError(f"{name}, line 1: expected 'setting: value' lines")
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if key.value in lines:
            raise MalformedFileError(
                f"{name}, line {key.start_mark.line + 1}: {key.value} stands on line"
                f" {lines[key.value]} already"
            )
        lines[key.value] = key.start_mark.line + 1
    return {str(key): value for key, value in values.items()}, lines


def _said(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "there is no such setting"
    if error["type"] == "missing":
        return "this setting is missing"
    return f"{error['msg']} (it is {error['input']!r})"


def _advice(key: str, error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return f"Settings are: {', '.join(Settings.model_fields)}."
    if key in IDENTITY:
        return "Restore the line that 'medperf site init' wrote."
    return "Correct that line; 'medperf site set' changes one setting and checks it."


def _line(key: str, value: Any) -> str:
    text = yaml.safe_dump({key: value}, default_flow_style=True, allow_unicode=True, width=10**6)
    return text.strip()[1:-1]


def _with_line(text: str, key: str, line: str) -> str:
    lines = text.splitlines()
    for index, old in enumerate(lines):
        if old.split(":", 1)[0].strip() == key:
            lines[index] = line
            break
    else:
        lines.append(line)
    return "\n".join(lines) + "\n"


def replace_file(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
