"""``medperf bundle``: what a courier carries between a server and a site without a network."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medperf.cli import profiles
from medperf.cli.at_site import folder_option, opened, require_folder
from medperf.cli.command import Noun, chosen_profile
from medperf.cli.connection import ATTEMPTS, find, find_number, log_watch
from medperf.cli.output import note, show_done, show_record, show_rows
from medperf.cli.progress import waiting
from medperf.cli.tables import Column
from medperf.domain.clock import system_clock
from medperf.domain.errors import (
    ConflictError,
    InvalidRequestError,
    MedPerfError,
    UntrustedError,
)
from medperf.domain.identifiers import is_digest

if TYPE_CHECKING:
    from medperf.client.carrying import CarriedAnswer, ResultsBundle
    from medperf.client.courier import Courier
    from medperf.client.transport import Transport
    from medperf.domain.container_records import Container

_FIRST_ERROR = 400
_KEPT_SIZES = 32
_SENT = (
    Column("request", "request"),
    Column("status", "status"),
    Column("answer", "answer"),
    Column("again", "again"),
)


@click.group(cls=Noun)
def command() -> None:
    """Carry work to a site that no network reaches, and its results back.

    'work' and 'submit' run where there is a network, as a person of the site's organization;
    'results' and 'medperf site run-bundle' run at the site. See docs/how-to/air-gapped-site.md.
    """


@command.command(
    example="""
    medperf bundle work to-site.zip --site "Hospital A"
    medperf bundle work to-site.zip --site "Hospital A" --benchmark "chest X-ray"
    """
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--site", required=True, metavar="SITE", help="The site: its number or name.")
@click.option("--benchmark", "benchmarks", multiple=True, metavar="BENCHMARK",
              help="Bring this benchmark too, before the site takes part in it.")  # fmt: skip
@click.option("--no-grants", is_flag=True, help="Take no grants for outstanding work.")
@click.option("--no-files", is_flag=True, help="Bring no images and other files.")
def work(
    file: Path, site: str, benchmarks: tuple[str, ...], no_grants: bool, no_files: bool
) -> None:
    """Write what a site needs to go on: work, grants, records, files, and answers to it."""
    from medperf.client.carrying import WorkManifest, write_work_bundle

    if file.exists():
        raise ConflictError(f"{file} exists", hint="Name another file.")
    profile = _profile()
    transport = _transport(profile)
    try:
        key_id = _key_of(find(transport, "sites", site))
        numbers = [find_number(transport, "benchmarks", each) for each in benchmarks]
    finally:
        transport.close()
    errand, courier = _Errand(key_id), _courier(profile, key_id)
    try:
        with waiting("Asking the server"):
            errand.renew(courier)
            courier.gather(
                log_sizes=errand.log_sizes,
                wanted=errand.wanted,
                benchmarks={*numbers, *errand.benchmarks},
                seen_in=errand.sizes,
                results=errand.results,
                with_grants=not no_grants,
            )
        answers = (*courier.answers, *errand.awaited)
        containers = [] if no_files else list(courier.containers.values())
    finally:
        courier.close()
    files, absent = _files_of(containers)
    manifest = WorkManifest(
        for_key=key_id, made_at=system_clock(), answers=answers, absent=tuple(absent)
    )
    with waiting(f"Writing {file}"):
        write_work_bundle(file, manifest, files)
    errand.carries(courier.log_sizes, numbers)
    for sentence in absent:
        note(f"Not carried: {sentence}")
    show_done(
        f"{file} has {len(answers)} answers of the server and {len(files)} files for {site}.",
        {
            "file": str(file),
            "for_key": key_id,
            "n_answers": len(answers),
            "n_awaited": len(errand.awaited),
            "n_files": len(files),
            "absent": absent,
        },
        f"at the site: medperf site run-bundle {file.name}",
    )


@command.command(example="medperf bundle results from-site.json")
@click.argument("file", type=click.Path(path_type=Path))
@folder_option
def results(file: Path, folder: str | None) -> None:
    """At the site: write what waits for a courier, each part signed. Opens no network."""
    from medperf.site.enrollment import write_enrolling_results
    from medperf.site.folder import SiteFolder

    place = SiteFolder(require_folder(folder).absolute())
    if place.settings.exists():
        with opened(folder) as site:
            written = site.write_results(file)
    else:
        written = write_enrolling_results(place, file)
    show_done(
        f"{file} has {len(written.requests)} requests of the site.",
        {"file": str(file), **_outgoing(written)},
        f"where there is a network: medperf bundle submit {file.name}",
    )


@command.command(example="medperf bundle submit from-site.json")
@click.argument("file", type=click.Path(path_type=Path))
def submit(file: Path) -> None:
    """Bring what a site wrote to the server, which checks it as ever; keep its answers.

    Brought twice, nothing is done twice.
    """
    from medperf.client.carrying import ResultsBundle
    from medperf.provenance.keys import PublicKey

    bundle, profile = ResultsBundle.read(file), _profile()
    log_name = bundle.log_key.partition("+")[0]
    if log_name != profile.log_key.partition("+")[0]:
        raise ConflictError(
            f"{file} is for the server of log {log_name}, not for {profile.server}",
            hint="Use a login at that server; see 'medperf profile ls'.",
        )
    key_id = PublicKey.from_text(bundle.key).key_id
    courier = _courier(profile, key_id)
    try:
        with waiting("Delivering"):
            answers = [courier.deliver(request) for request in bundle.requests]
    finally:
        courier.close()
    errand = _Errand(key_id)
    before = {each.idempotency_key for each in errand.awaited}
    sent = [{**_said(each), "again": each.idempotency_key in before} for each in answers]
    errand.take(bundle, answers, courier.server_key_id)
    show_rows(sent, _SENT, "The site had nothing to say.")
    if any(each["again"] for each in sent):
        note("Some of this was brought before: the server gave the same answers, and did nothing.")
    note("Next: medperf bundle work FILE --site SITE, which carries the answers to the site.")


@command.command(example="medperf bundle show to-site.zip\nmedperf bundle show from-site.json")
@click.argument("file", type=click.Path(path_type=Path, exists=True))
def show(file: Path) -> None:
    """Say what a bundle of either kind holds; checks nothing but its form."""
    from medperf.client.carrying import ResultsBundle, opened_work_bundle

    with file.open("rb") as opened_file:
        is_work = opened_file.read(2) == b"PK"
    if not is_work:
        show_record({"kind": "results", **_outgoing(ResultsBundle.read(file))})
        return
    with opened_work_bundle(file) as (manifest, _):
        record = {
            "kind": "work",
            "for_key": manifest.for_key,
            "made_at": manifest.made_at.isoformat(),
            "answers": [f"{a.method} {a.target}: {a.status}" for a in manifest.answers],
            "files": [each.url for each in manifest.files],
            "absent": list(manifest.absent),
        }
    show_record(record)


def _outgoing(bundle: "ResultsBundle") -> dict[str, Any]:
    return {
        "server": bundle.server,
        "written_at": bundle.written_at.isoformat(),
        "requests": [f"{each.method} {each.target}" for each in bundle.requests],
        "wanted": list(bundle.wanted),
        "ledger": bundle.ledger.model_dump(mode="json"),
    }


def _said(answer: "CarriedAnswer") -> dict[str, Any]:
    content = json.loads(answer.body) if answer.body else {}
    if answer.status >= _FIRST_ERROR:
        said = f"{content.get('code', 'error')}: {content.get('detail', '')}"
    else:
        named = (f"{name} {content[name]}" for name in ("id", "state") if name in content)
        said = ", ".join(named)
    return {"request": f"{answer.method} {answer.target}", "status": answer.status, "answer": said}


class _Errand:
    """What this machine keeps between carrying out and carrying in, for one site's key."""

    def __init__(self, key_id: str) -> None:
        from medperf.client.carrying import CarriedAnswer, CarriedRequest

        self._path = profiles.home() / "carried" / f"{key_id.replace(':', '-')}.json"
        kept: dict[str, Any] = {}
        if self._path.exists():
            kept = json.loads(self._path.read_text("utf-8"))
        self.log_sizes: list[int] = kept.get("log_sizes", [0])
        self.wanted: list[str] = kept.get("wanted", [])
        self.benchmarks: list[int] = kept.get("benchmarks", [])
        self.awaited = [CarriedAnswer.model_validate(one) for one in kept.get("awaited", [])]
        self.requests = [CarriedRequest.model_validate(one) for one in kept.get("requests", [])]
        self.signed_with: str = kept.get("signed_with", "")

    @property
    def results(self) -> list[int]:
        """The results that were handed in."""
        return [int(body["id"]) for body in self._bodies() if body.get("inclusion")]

    @property
    def sizes(self) -> list[int]:
        """The sizes of the log in which answers say that something is."""
        from medperf.client.log_watch import size_of

        inclusions = [body["inclusion"] for body in self._bodies() if body.get("inclusion")]
        return [size_of(each["checkpoint"]) for each in inclusions]

    def take(
        self, bundle: "ResultsBundle", answers: "list[CarriedAnswer]", signed_with: str
    ) -> None:
        """Keep what the server answered, and what else the site wants, until the next errand."""
        self.log_sizes, self.wanted = [bundle.log_size], list(bundle.wanted)
        self.requests, self.awaited, self.signed_with = list(bundle.requests), answers, signed_with
        self._write()

    def renew(self, courier: "Courier") -> None:
        """Ask again where the server's key was replaced since: it answers the same, signed anew."""
        if self.requests and self.signed_with != courier.server_key_id:
            self.awaited = [courier.deliver(request) for request in self.requests]
            self.signed_with = courier.server_key_id
            courier.forget(self.awaited)
            self._write()

    def carries(self, log_sizes: set[int], benchmarks: list[int]) -> None:
        """Keep what a bundle took to the site: it may have seen the log so by the next."""
        self.log_sizes = sorted({*self.log_sizes, *log_sizes})[-_KEPT_SIZES:]
        self.benchmarks = sorted({*self.benchmarks, *benchmarks})
        self._write()

    def _write(self) -> None:
        kept = {
            "log_sizes": self.log_sizes,
            "wanted": self.wanted,
            "benchmarks": self.benchmarks,
            "awaited": [answer.model_dump(mode="json") for answer in self.awaited],
            "requests": [request.model_dump(mode="json") for request in self.requests],
            "signed_with": self.signed_with,
        }
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = self._path.with_suffix(".partial")
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(kept, file)
        partial.replace(self._path)

    def _bodies(self) -> list[dict[str, Any]]:
        return [
            json.loads(each.body)
            for each in self.awaited
            if each.status < _FIRST_ERROR and each.body
        ]


def _files_of(containers: "list[Container]") -> tuple[dict[str, Path], list[str]]:
    """The files that containers are made of, by address, and what cannot be carried."""
    from medperf.site.assets import Assets
    from medperf.site.steps import config_of

    assets = Assets(profiles.home() / "carried" / "files")
    files: dict[str, Path] = {}
    absent = []
    for container in containers:
        try:
            with waiting(f"Fetching {container.name}"):
                config = config_of(container)
                image = assets.image_source(config, container.image_digest)
                if image is not None:
                    files[config.image.removeprefix("direct:")] = image
                else:
                    absent.append(
                        f"{config.image} of container {container.name!r}, which an engine pulls"
                        " from a registry: register it as a DockerArchive to have it carried, or"
                        " bring it to the site's engine under its registered digest"
                    )
                if container.additional_files is not None:
                    reference = container.additional_files
                    files[reference.url.removeprefix("direct:")] = assets.file(reference)
        except MedPerfError as error:
            absent.append(f"container {container.name!r}: {error.detail}")
    return files, absent


def _key_of(site: dict[str, Any]) -> str:
    active = [key["key_id"] for key in site.get("keys", ()) if key["revoked_at"] is None]
    if not active:
        raise InvalidRequestError(f"site {site['name']!r} has no key that is not revoked")
    key_id = str(active[-1])
    if not is_digest(key_id):  # it names a file
        raise UntrustedError(f"the server names a key of site {site['name']!r} that is none")
    return key_id


def _courier(profile: profiles.Profile, key_id: str) -> "Courier":
    from medperf.client.courier import Courier

    transport, watch = _transport(profile), log_watch(profile)
    try:
        watch.demand(transport)  # the server's next key may sign its answers already
    finally:
        transport.close()
    server_key = watch.keys.current.public
    return Courier(profile.server, profiles.secret_of(profile), server_key, key_id)


def _transport(profile: profiles.Profile) -> "Transport":
    from medperf.client.transport import AccessSecret, Transport

    secret = AccessSecret(profiles.secret_of(profile))
    return Transport(profile.server, secret, attempts=ATTEMPTS)


def _profile() -> profiles.Profile:
    profile = profiles.choose(chosen_profile())
    if not profile.log_key:
        raise InvalidRequestError(
            f"the login {profile.name!r} was made before servers had logs and trusts no key",
            hint="Log in again, and compare 'medperf log key' with another member's.",
        )
    return profile
