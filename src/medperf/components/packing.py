"""Building a stock component: a folder that runs by itself, the same bytes every time.

The folder holds ``container_config.yaml``, ``parameters.yaml``, ``main.py``, a ``Dockerfile``, and
a copy of exactly those modules that give its numbers their meaning. The sandbox runs it as it is;
an engine builds an image from it. Packed as an archive, its digest is what is registered.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import medperf
from medperf.domain.errors import NotFoundError

_PACKAGE = Path(medperf.__file__).parent
WORKDIR = "/app"


@dataclass(frozen=True, slots=True)
class StockComponent:
    """Where a component's own files are, and which modules it carries (patterns)."""

    folder: str
    modules: tuple[str, ...]


COMPONENTS: Mapping[str, StockComponent] = {
    "evaluator": StockComponent(
        folder="components/evaluator/component",
        modules=(
            "domain/case_table.py",
            "domain/errors.py",
            "analysis/metrics/*.py",
            "components/evaluator/*.py",
            "components/evaluator/tasks/*.py",
        ),
    ),
}

_DOCKERFILE = """\
# docker build -t my-component .
# With a base that has the requirements already: --build-arg BASE=... --build-arg INSTALL=no
ARG BASE=python:3.11-slim
FROM ${BASE}
ARG INSTALL=yes
ARG REQUIREMENTS=requirements.txt
COPY . /app
RUN test "$INSTALL" = no || python3 -m pip install --no-cache-dir -r "/app/$REQUIREMENTS"
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
    for pattern in component.modules:
        for source in _PACKAGE.glob(pattern):
            target = folder / "medperf" / source.relative_to(_PACKAGE)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
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
