"""Building a stock component: a folder that runs by itself, the same bytes every time.

The folder holds ``container_config.yaml``, ``parameters.yaml``, ``main.py``, a ``Dockerfile``, and
a copy of exactly those modules that give its numbers their meaning. The sandbox runs it as it is;
an engine builds an image from it. ``pack`` makes the archive whose digest is registered.
"""

import gzip
import io
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import medperf
from medperf.domain.errors import EmptyInputError, NotFoundError

_PACKAGE = Path(medperf.__file__).parent
WORKDIR = "/app"


@dataclass(frozen=True, slots=True)
class StockComponent:
    """Where a component's own files are, and which modules of the package it carries."""

    folder: str
    modules: tuple[str, ...]


COMPONENTS: Mapping[str, StockComponent] = {
    "evaluator": StockComponent(
        folder="components/evaluator/component",
        modules=(
            "domain/errors.py",
            "analysis/metrics/binary.py",
            "analysis/metrics/classification.py",
            "analysis/metrics/classification_table.py",
            "analysis/metrics/definition.py",
            "components/evaluator/case_values.py",
            "components/evaluator/matching.py",
            "components/evaluator/parameters.py",
            "components/evaluator/program.py",
            "components/evaluator/scoring.py",
            "components/evaluator/tables.py",
        ),
    ),
}

_DOCKERFILE = """\
# The base image needs Python 3.11 and the packages that requirements.txt names.
ARG BASE=python:3.11-slim
FROM ${BASE}
COPY . /app
WORKDIR /app
"""


def build(name: str, folder: Path) -> Path:
    """Write the stock component ``name`` to ``folder``, which is replaced.

    Raises:
        NotFoundError: if there is no such component.
    """
    if name not in COMPONENTS:
        known = ", ".join(sorted(COMPONENTS))
        raise NotFoundError(f"there is no stock component '{name}'; known: {known}")
    component = COMPONENTS[name]
    copy_component(_PACKAGE / component.folder, folder)
    for module in component.modules:
        target = folder / "medperf" / module
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_PACKAGE / module, target)
    for package in sorted({p.parent for p in (folder / "medperf").rglob("*.py")}):
        _mark_packages(package, folder)
    return folder


def copy_component(source: Path, folder: Path) -> Path:
    """Copy a component's source to ``folder``, which is replaced, with a Dockerfile for engines."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "Dockerfile").write_text(_DOCKERFILE, encoding="utf-8")
    return folder


def _mark_packages(package: Path, top: Path) -> None:
    while package != top:
        (package / "__init__.py").touch()
        package = package.parent


def pack(folder: Path, archive: Path) -> Path:
    """Pack ``folder`` as ``.tar.gz``; equal contents give equal bytes.

    Raises:
        EmptyInputError: if the folder holds no file.
    """
    files = sorted(
        path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )
    if not files:
        raise EmptyInputError(f"the folder {folder} holds no file to pack")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in files:
            tar.addfile(*_member(path, folder))
    archive.parent.mkdir(parents=True, exist_ok=True)
    archive.write_bytes(gzip.compress(buffer.getvalue(), mtime=0))
    return archive


def _member(path: Path, top: Path) -> tuple[tarfile.TarInfo, io.BytesIO]:
    content = path.read_bytes()
    # Owner, times and permissions depend on who packed, and when: they are left at fixed values.
    member = tarfile.TarInfo(path.relative_to(top).as_posix())
    member.size = len(content)
    member.mode = 0o644
    return member, io.BytesIO(content)


def docker_config(folder: Path, image: str) -> dict[str, Any]:
    """The config of a component folder for an image that was built from it.

    Tasks and mounts stay; a command that names a file of the folder finds it in the image.
    """
    text = (folder / "container_config.yaml").read_text(encoding="utf-8")
    config: dict[str, Any] = yaml.safe_load(text)
    tasks = {task: _in_image(spec, folder) for task, spec in config["tasks"].items()}
    return {**config, "container_type": "DockerImage", "image": image, "tasks": tasks}


def _in_image(spec: dict[str, Any], folder: Path) -> dict[str, Any]:
    run_args = dict(spec.get("run_args", {}))
    command = run_args.get("command", [])
    words = command.split() if isinstance(command, str) else command
    run_args["command"] = [
        f"{WORKDIR}/{word}" if (folder / word).is_file() else word for word in words
    ]
    return {**spec, "run_args": run_args}
