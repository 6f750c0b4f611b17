"""The two files that a courier carries between a server and a site that no network reaches.

A *results bundle* goes out: the requests that the site made, each signed as it would be online, in
one envelope signed by the site. A *work bundle* comes in: a ZIP file with the server's answers,
each signed by the server for this site's key, and the files that the work needs, by address.

Nothing else is trusted: whoever carries a file can lose it, and cannot change what it says.
"""

import hashlib
import zipfile
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationError

from medperf.domain.errors import ConflictError, MalformedFileError, NotFoundError
from medperf.domain.identifiers import UtcTime
from medperf.domain.wire import first_fault
from medperf.provenance.answer_signing import AnsweredRequest
from medperf.provenance.canonical import canonical_bytes, read_json
from medperf.provenance.envelope import Envelope, sign, verify
from medperf.provenance.keys import PublicKey, Signer

RESULTS_FORMAT: Final = "medperf-results-bundle-v1"
WORK_FORMAT: Final = "medperf-work-bundle-v1"
MANIFEST = "manifest.json"
_RESULTS_TYPE = "application/vnd.medperf.results-bundle+json"
_LARGEST_MANIFEST = 256 * 2**20
_CHUNK = 2**20
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, RuntimeError)
"""How ``zipfile`` says it; by the last one, that it cannot read what is compressed or locked so."""
_FROZEN = ConfigDict(frozen=True, extra="ignore")

M = TypeVar("M", bound=BaseModel)


def _bytes(value: Any) -> Any:
    return b64decode(value, validate=True) if isinstance(value, str) else value


def _text(value: bytes) -> str:
    return b64encode(value).decode()


_Bytes = Annotated[
    bytes, BeforeValidator(_bytes), PlainSerializer(_text, return_type=str, when_used="json")
]


class CarriedRequest(BaseModel):
    """A request as the site made it; ``authorization`` is its own signature over it."""

    model_config = _FROZEN

    method: str
    target: str
    body: _Bytes
    authorization: str | None
    idempotency_key: str


class LedgerState(BaseModel):
    """How many lines the site's ledger has, and the digest over the digests of all of them."""

    model_config = _FROZEN

    n_lines: int
    digest: str


class ResultsBundle(BaseModel):
    """What a site sends.

    Attributes:
        format: of this file.
        server: the address of the server it is for.
        log_key: of that server's log, as the site trusts it.
        key: the site's public key, which signs this and every request.
        written_at: when.
        log_size: how many leaves of the log the site has seen.
        requests: everything that the site said and had no answer to yet, in its order.
        wanted: targets that the site asked for and no work bundle brought.
        ledger: of what ever left the site.
    """

    model_config = _FROZEN

    format: Literal["medperf-results-bundle-v1"] = RESULTS_FORMAT
    server: str
    log_key: str
    key: str
    written_at: UtcTime
    log_size: int
    requests: tuple[CarriedRequest, ...]
    wanted: tuple[str, ...]
    ledger: LedgerState

    @classmethod
    def read(cls, path: Path) -> "ResultsBundle":
        """Read a file and check that it is what its site signed.

        Raises:
            MalformedFileError: it is another file, or cut short.
            SignatureError: it was changed.
        """
        try:
            envelope = Envelope.from_bytes(path.read_bytes())
            read = _validated(cls, read_json(envelope.content), path)
        except MalformedFileError as error:
            raise MalformedFileError(
                f"{path} is no results bundle, or was cut short: {error.detail}",
                hint="Carry it again; 'medperf bundle results' writes it anew.",
            ) from None
        key = PublicKey.from_text(read.key)
        verify(envelope, {key.key_id: key}, payload_type=_RESULTS_TYPE)
        return read

    def write(self, path: Path, signer: Signer) -> None:
        """Sign it and write it to a new file.

        Raises:
            ConflictError: the file exists.
        """
        content = canonical_bytes(self.model_dump(mode="json"))
        with _new_file(path) as file:
            file.write(sign(content, signer, payload_type=_RESULTS_TYPE).to_bytes())


class CarriedAnswer(BaseModel):
    """What the server answered to a request, and its signature over both."""

    model_config = _FROZEN

    method: str
    target: str
    request_body: _Bytes
    idempotency_key: str
    status: int
    body: _Bytes
    signature: str

    def signed_for(self, key_id: str) -> AnsweredRequest:
        """What the server's signature covers, if it is for the site of this key."""
        return AnsweredRequest(
            for_key=key_id,
            method=self.method,
            target=self.target,
            idempotency_key=self.idempotency_key,
            request_sha256=hashlib.sha256(self.request_body).hexdigest(),
            status=self.status,
            answer_sha256=hashlib.sha256(self.body).hexdigest(),
        )


class CarriedFile(BaseModel):
    """A file of a work bundle: where registered records say it lies, and its bytes' digest."""

    model_config = _FROZEN

    url: str
    name: str
    sha256: str


class WorkManifest(BaseModel):
    """What a work bundle holds.

    Attributes:
        format: of the file.
        for_key: the id of the key of the site it is for.
        made_at: when, by the clock of the courier's machine.
        answers: the server's.
        files: images and additional files.
        absent: sentences about what could not be brought.
    """

    model_config = _FROZEN

    format: Literal["medperf-work-bundle-v1"] = WORK_FORMAT
    for_key: str
    made_at: UtcTime
    answers: tuple[CarriedAnswer, ...]
    files: tuple[CarriedFile, ...] = ()
    absent: tuple[str, ...] = ()


def write_work_bundle(path: Path, manifest: WorkManifest, files: dict[str, Path]) -> WorkManifest:
    """Write a work bundle to a new file; answers its manifest with the files.

    Args:
        path: the new file.
        manifest: all but the files.
        files: what to bring, by address.

    Raises:
        ConflictError: the file exists.
    """
    carried = tuple(
        CarriedFile(url=url, name=f"files/{number}", sha256=_digest(source))
        for number, (url, source) in enumerate(sorted(files.items()))
    )
    full = manifest.model_copy(update={"files": carried})
    with _new_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        content = canonical_bytes(full.model_dump(mode="json"))
        archive.writestr(MANIFEST, content, zipfile.ZIP_DEFLATED)
        for each in carried:
            archive.write(files[each.url], each.name)
    return full


@contextmanager
def opened_work_bundle(path: Path) -> Iterator[tuple[WorkManifest, zipfile.ZipFile]]:
    """A work bundle and its manifest; no signature is checked yet.

    Raises:
        MalformedFileError: it is another file, cut short or damaged.
    """
    try:
        archive = zipfile.ZipFile(path)
        with archive.open(MANIFEST) as file:
            content = file.read(_LARGEST_MANIFEST)
        manifest = _validated(WorkManifest, read_json(content), path)
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {path}") from None
    except (*_DAMAGED, MalformedFileError) as error:
        said = getattr(error, "detail", str(error))
        raise MalformedFileError(
            f"{path} is no work bundle, or was cut short: {said}",
            hint="Carry it again; 'medperf bundle work' writes it anew.",
        ) from None
    with archive:
        yield manifest, archive


def unpack_file(archive: zipfile.ZipFile, carried: CarriedFile, target: Path) -> None:
    """Write a file of a bundle to ``target``.

    Raises:
        MalformedFileError: it is not there, or its bytes were damaged on the way.
    """
    found = hashlib.sha256()
    try:
        with archive.open(carried.name) as source, target.open("wb") as file:
            while chunk := source.read(_CHUNK):
                found.update(chunk)
                file.write(chunk)
    except _DAMAGED as error:
        raise MalformedFileError(
            f"the bundle's copy of {carried.url} is damaged: {error}"
        ) from None
    if found.hexdigest() != carried.sha256:
        raise MalformedFileError(f"the bundle's copy of {carried.url} is not what was packed")


def _validated(kind: type[M], document: Any, path: Path) -> M:
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        raise MalformedFileError(f"{path.name}: {first_fault(error)}") from None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that has its name only when it is whole."""
    if path.exists():
        raise ConflictError(f"{path} exists", hint="Name another file.")
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            yield file
        partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)
