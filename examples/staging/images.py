"""The same component folder, as code for the sandbox or as an image for an engine."""

import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import yaml

from examples.base_image import build as base_image
from examples.staging.files import ComponentFiles
from medperf.components.packing import WORKDIR, docker_config

Packer = Callable[[ComponentFiles], Path]
"""Answers with what ``medperf container register`` takes: a folder with a config."""

PUBLIC_BASE = "python:3.11-slim"


def packer(runner: str, folder: Path, layers: Path) -> Packer:
    """How components are packed for ``runner``.

    Args:
        runner: ``sandbox`` takes code as it is; ``docker`` and ``podman`` take images.
        folder: where the images go.
        layers: where layers that many images share are kept from run to run.
    """
    if runner == "sandbox":
        return lambda files: files.folder
    compose = _composes(layers) if shutil.which("apt-get") else _engine_builds(runner)

    def pack(files: ComponentFiles) -> Path:
        target = folder / files.folder.name
        target.mkdir(parents=True, exist_ok=True)
        compose(files, target / "image.tar")
        config = docker_config(files.folder, "image.tar") | {"container_type": "DockerArchive"}
        text = yaml.safe_dump(config, sort_keys=False)
        (target / "container_config.yaml").write_text(text, encoding="utf-8")
        return target

    return pack


def _composes(layers: Path) -> Callable[[ComponentFiles, Path], None]:
    """Compose images from the system's own packages, where those are Debian's."""

    def compose(files: ComponentFiles, archive: Path) -> None:
        base_image.build(
            archive,
            debs=layers,
            requirements=files.folder / files.requirements,
            add={WORKDIR: files.folder},
        )

    return compose


def _engine_builds(engine: str) -> Callable[[ComponentFiles, Path], None]:
    """Elsewhere the engine builds from a public base image."""

    def compose(files: ComponentFiles, archive: Path) -> None:
        tag = f"medperf-demo-{files.folder.name}"
        given = {"BASE": PUBLIC_BASE, "REQUIREMENTS": files.requirements}
        words = [
            word for name, value in given.items() for word in ("--build-arg", f"{name}={value}")
        ]
        build = [engine, "build", "--quiet", "--tag", tag, *words]
        subprocess.run([*build, files.folder], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([engine, "save", "--output", archive, tag], check=True)
        if not tarfile.is_tarfile(archive):
            raise OSError(f"{engine} save wrote no archive for {tag}")

    return compose
