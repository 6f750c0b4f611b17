"""From a folder or a config to the form that registers it, with every digest worked out."""

import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from medperf.cli.container_files import config_file_of, parameters_of
from medperf.cli.hosted import address_of, digest_at, fetch, is_address
from medperf.cli.progress import waiting
from medperf.domain.container_records import ContainerForm, FileReference
from medperf.domain.containers import ContainerConfig, ContainerType, Role
from medperf.domain.errors import DigestMismatchError
from medperf.runners import config_file
from medperf.runners.selection import standard_runners

_BY_DIGEST = re.compile(r"@(sha256:[0-9a-f]{64})$")


@dataclass(frozen=True, slots=True)
class Offer:
    """What a container's owner said on the command line."""

    path: Path
    role: str
    name: str
    parameters: Path | None = None
    additional_files: str | None = None
    image: str | None = None
    image_digest: str | None = None


def form_of(offer: Offer) -> ContainerForm:
    """Read, check and digest what is offered.

    Raises:
        ContainerConfigError: the config breaks the contract.
        DigestMismatchError: what is hosted is not what lies here, or not what was promised.
        MedPerfError: a file is missing, cannot be fetched, or no runner can find its digest.
    """
    file = config_file_of(offer.path)
    config = config_file.load(file, Role(offer.role))
    config = config.model_copy(update={"image": _image_of(offer, config, file)})
    return ContainerForm(
        name=offer.name,
        role=Role(offer.role),
        config=_as_written(config),
        image_digest=_image_digest(offer, config, file),
        parameters=parameters_of(offer.parameters),
        additional_files=_additional_files(offer.additional_files),
    )


def source_of(config: ContainerConfig, file: Path) -> str:
    """Where a fetched image is: the folder of the config for code, else what the config says."""
    if config.container_type is ContainerType.SOURCE_ARCHIVE and not is_address(config.image):
        return address_of(config.image, beside=file.parent)
    return address_of(config.image.removeprefix("direct:"), beside=file.parent)


def _image_of(offer: Offer, config: ContainerConfig, file: Path) -> str:
    if not config.container_type.is_fetched:
        return offer.image or config.image
    return address_of(offer.image) if offer.image else source_of(config, file)


def _image_digest(offer: Offer, config: ContainerConfig, file: Path) -> str:
    kind = config.container_type
    if kind is ContainerType.SOURCE_ARCHIVE:
        hosted = digest_at(config.image, offer.image_digest)
        here = source_of(config_file.load(file), file)
        if not is_address(here) and digest_at(here) != hosted:
            raise DigestMismatchError(
                f"{config.image} delivers {hosted}, which is not the code in {here}",
                hint="Pack it again with 'medperf container pack' and host that file.",
            )
        return hosted
    if named := _BY_DIGEST.search(config.image):
        return named[1]
    if offer.image_digest:
        return offer.image_digest
    if kind is ContainerType.SINGULARITY_FILE or kind.is_encrypted:
        return digest_at(config.image)
    return _resolved(config)


def _resolved(config: ContainerConfig) -> str:
    # What an engine's image is called by content, the engine knows best.
    with TemporaryDirectory(prefix="medperf-") as scratch:
        source: Path | None = None
        if config.container_type.is_fetched:
            source = Path(config.image)
            if is_address(config.image):
                source = Path(scratch, "image")
                fetch(config.image, source)
        runner = standard_runners(Path(scratch, "runner")).choose(config.container_type)
        with waiting(f"Reading {config.image}"):
            return runner.resolve(config, source=source).digest


def _additional_files(place: str | None) -> FileReference | None:
    if place is None:
        return None
    address = address_of(place)
    return FileReference(url=address, digest=digest_at(address))


def _as_written(config: ContainerConfig) -> dict[str, Any]:
    written: dict[str, Any] = config.model_dump(mode="json", exclude_defaults=True)
    return written
