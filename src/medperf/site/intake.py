"""Taking in a work bundle: nothing of it is used before all of it was checked.

1. It is for this site: the server's answers are signed for this site's key. Where the server's key
   was followed by another, the bundle brings the succession, which needs no other signature.
2. Every answer is what the server signed; one that was changed spoils the whole bundle.
3. It is newer than whatever was taken in before, in each of its parts: old answers, such as a list
   of revoked executions before the last revocation, cannot come back.
4. An awaited answer answers a request that this site made, and that still waits.

Files are checked where they are used, like files from a network: by the digest that was registered.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from medperf.client.carrying import (
    CarriedAnswer,
    WorkManifest,
    opened_work_bundle,
    unpack_file,
)
from medperf.client.log_watch import KEYS, LogWatch, size_of
from medperf.domain.errors import (
    BundleReplayedError,
    ConflictError,
    MalformedFileError,
    NotCarriedError,
)
from medperf.domain.identifiers import format_time
from medperf.provenance.answer_signing import verify_answer
from medperf.provenance.canonical import read_json
from medperf.provenance.keys import PublicKey
from medperf.site.offline import GRANTS
from medperf.site.store.mailbox import Mailbox

_OK = 200


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What a work bundle brought: counts, and sentences about what it could not bring."""

    n_answers: int
    n_awaited: int
    n_files: int
    answered_at: datetime
    absent: tuple[str, ...]


class CarriedFiles:
    """The files that couriers brought, by address; fetches for ``medperf.site.assets``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fetch(
        self,
        url: str,
        target: Path,
        *,
        guard: Callable[[int], None],
        cancel: threading.Event | None = None,  # noqa: ARG002 - one protocol
    ) -> None:
        """Bring ``url`` to ``target``; it is moved, and checked there.

        Raises:
            NotCarriedError: no work bundle brought it.
        """
        source = self.place(url)
        if not source.exists():
            raise NotCarriedError(
                f"no work bundle brought {url}",
                hint="Run 'medperf bundle work' where it can be had, without --no-files.",
            )
        guard(0)
        source.replace(target)

    def place(self, url: str) -> Path:
        """Where the file of an address lies."""
        return self._folder / sha256(url.encode()).hexdigest()


def take_in(
    file: Path, mailbox: Mailbox, folder: Path, *, log_watch: LogWatch, site_key_id: str
) -> TakenIn:
    """Check a work bundle and put it in the place of the last one.

    Raises:
        MalformedFileError: it is another file, cut short or damaged.
        ConflictError: it is for another site.
        SignatureError: the server did not sign what it says.
        LogKeyRevokedError: the server's key was revoked, and nobody here trusts the next one yet.
        BundleReplayedError: it, or a part of it, is not newer than what was taken in before.
    """
    with opened_work_bundle(file) as (manifest, archive):
        if manifest.for_key != site_key_id:
            raise ConflictError(
                f"{file} is for the site with key {manifest.for_key}, this site's is {site_key_id}",
                hint="Run 'medperf bundle work' for this site.",
            )
        checked = _checked(manifest, mailbox, _server_key(manifest, log_watch))
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        files = CarriedFiles(folder)
        for carried in manifest.files:
            partial = files.place(carried.url).with_suffix(".partial")
            unpack_file(archive, carried, partial)
            partial.replace(files.place(carried.url))
        mailbox.take_in(checked.answers, checked.awaited, checked.newest_at)
    return TakenIn(
        len(checked.answers),
        len(checked.awaited),
        len(manifest.files),
        checked.newest_at,
        manifest.absent,
    )


@dataclass(frozen=True, slots=True)
class _Checked:
    answers: list[CarriedAnswer]
    awaited: list[CarriedAnswer]
    newest_at: datetime


def _server_key(manifest: WorkManifest, log_watch: LogWatch) -> PublicKey:
    """The key that signed the bundle's answers: the one known here, or one that followed it."""
    for each in manifest.answers:
        if _is_about_keys(each, log_watch):
            told = read_json(each.body)
            if not isinstance(told, dict) or not {"statements", "proof"} <= told.keys():
                raise MalformedFileError("the bundle's answer about the server's keys is none")
            if len(told["statements"]) >= len(log_watch.keys.spans):
                log_watch.learn(told)
            break
    return log_watch.keys.current.public


def _is_about_keys(answer: CarriedAnswer, log_watch: LogWatch) -> bool:
    wanted = f"{KEYS}?from={size_of(log_watch.seen)}"
    return (answer.method, answer.target, answer.status) == ("GET", wanted, _OK)


def _checked(manifest: WorkManifest, mailbox: Mailbox, server_key: PublicKey) -> _Checked:
    taken = mailbox.newest()
    answers, awaited, times = [], [], []
    for each in manifest.answers:
        at = verify_answer(each.signature, each.signed_for(manifest.for_key), server_key)
        if each.method == "GET" or each.target == GRANTS:
            _require_newer(each, at, taken)
            answers.append(each)
            times.append(at)
        else:
            request = mailbox.waits_for(each.idempotency_key)
            # Answered before, and brought again: the first answer stays.
            if request is not None and (request.target, request.body) == (
                each.target,
                each.request_body,
            ):
                awaited.append(each)
    if not times:
        raise BundleReplayedError("the bundle holds no answer to any question")
    return _Checked(answers, awaited, max(times))


def _require_newer(answer: CarriedAnswer, at: datetime, taken: datetime | None) -> None:
    if taken is not None and at <= taken:
        raise BundleReplayedError(
            f"the answer to {answer.method} {answer.target} is of {format_time(at)}, and what was"
            f" taken in before is of {format_time(taken)}"
        )
