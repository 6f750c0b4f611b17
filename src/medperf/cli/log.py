"""``medperf log``: the transparency log, followed from outside."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from medperf.cli import profiles
from medperf.cli.asking import confirm
from medperf.cli.command import Noun, chosen_profile
from medperf.cli.connection import ATTEMPTS, log_key_now, log_watch
from medperf.cli.output import note, show_done, show_record, show_rows
from medperf.cli.tables import Column
from medperf.domain.errors import InvalidRequestError, LogForkError
from medperf.domain.identifiers import format_time

if TYPE_CHECKING:
    from medperf.client.log_watch import LogWatch
    from medperf.client.transport import Transport
    from medperf.provenance.checkpoint import Checkpoint

_COLUMNS = (
    Column("leaf", "leaf"),
    Column("kind", "kind"),
    Column("logged", "logged_at"),
    Column("statement", "envelope_digest"),
    Column("about", "about_digest"),
)


@click.group(cls=Noun)
def command() -> None:
    """The transparency log: append-only, signed, and the same for everyone or caught."""


@command.command(example="medperf log key")
def key() -> None:
    """The log's key that this login trusts; give it to whoever verifies your results."""
    profile = _profile()
    show_record({"log_key": log_key_now(profile), "server": profile.server})


@command.command(example="medperf log trust medperf-log-...+1a2b3c4d+AZ... --yes")
@click.argument("key", metavar="KEY")
@click.option("--yes", is_flag=True, help="Do not ask.")
def trust(key: str, yes: bool) -> None:
    """Trust the log's next key after the former one was revoked, for this login.

    Only after you compared the key with the operator or another member, by a way that whoever has
    the old key cannot use. A key that was merely rotated is followed without this.
    """
    from medperf.provenance.notes import NoteKey

    profile = _profile()
    NoteKey.from_text(profile.log_key).require_same_log(key)
    confirm(f"trust {key} for {profile.server}? Did you compare it?", yes=yes)
    trusting = replace(profile, log_key=key)
    transport = _transport(profile)
    try:
        log_watch(trusting).confirm(transport)
    finally:
        transport.close()
    profiles.change(trusting)
    show_done(f"{profile.name} trusts {key}.", {"profile": profile.name, "log_key": key})


@command.command(example="medperf log tail --n 20")
@click.option("--n", default=20, show_default=True, type=click.IntRange(1, 100_000),
              help="How many.")  # fmt: skip
def tail(n: int) -> None:
    """The newest leaves: what was logged, without what it says."""
    from medperf.client.log import Log

    profile = _profile()
    transport = _transport(profile)
    try:
        checkpoint = _checkpoint(log_watch(profile), transport)
        first = max(checkpoint.size - n, 0)
        entries = Log(transport).entries(first, checkpoint.size)
        show_rows(list(_rows(entries, first)), _COLUMNS, "The log is empty.")
    finally:
        transport.close()


@command.command(example="medperf log check")
def check() -> None:
    """Have the server prove that its log continues what this machine saw; show kept alarms."""
    profile = _profile()
    watch, transport = log_watch(profile), _transport(profile)
    try:
        before = _size(watch.seen)
        checkpoint = _checkpoint(watch, transport)
    finally:
        transport.close()
    if watch.alarms:
        raise LogForkError(
            f"the log forked before: {', '.join(str(path) for path in watch.alarms)}",
            hint="Each file holds two signed checkpoints that cannot both be true. Show them to"
            " the other members; remove them when that is settled.",
        )
    show_done(
        f"{checkpoint.origin} has {checkpoint.size} leaves and continues the {before} seen before.",
        {"log": checkpoint.origin, "size": checkpoint.size, "size_before": before},
    )


@command.command(
    example="""
    medperf log monitor --once
    medperf log monitor --every 60
    """
)
@click.option("--once", is_flag=True, help="Look once and end.")
@click.option("--every", default=60.0, show_default=True, type=click.FloatRange(1),
              help="Look again after this many seconds.")  # fmt: skip
def monitor(once: bool, every: float) -> None:
    """Rebuild the whole tree from the log's own files and name grants without an answer.

    Ends with an error as soon as the log contradicts itself or what was seen before.
    """
    profile = _profile()
    transport = _transport(profile)
    try:
        while True:
            found = _look(transport, profile)
            if once:
                show_record(found)
                return
            note(f"{found['size']} leaves, {found['n_open_grants']} grants without an answer")
            time.sleep(every)
    finally:
        transport.close()


def _look(transport: "Transport", profile: profiles.Profile) -> dict[str, Any]:
    from medperf.client.log import Log
    from medperf.provenance.log_entry import LogEntry
    from medperf.provenance.merkle import leaf_hash, root_of

    checkpoint = _checkpoint(log_watch(profile), transport)
    entries = list(Log(transport).entries(0, checkpoint.size))
    if len(entries) != checkpoint.size or root_of(map(leaf_hash, entries)) != checkpoint.root:
        raise LogForkError(
            f"the log's {len(entries)} entries do not have the root that it signed",
            hint="Keep the checkpoint and tell the other members: entries were changed.",
        )
    read = [LogEntry.from_bytes(entry) for entry in entries]
    answered = {entry.about_digest for entry in read}
    waiting = [
        {"leaf": leaf, "logged_at": format_time(entry.logged_at)}
        for leaf, entry in enumerate(read)
        if entry.kind == "grant" and entry.payload_digest not in answered
    ]
    return {
        "log": checkpoint.origin,
        "size": checkpoint.size,
        "key_changes": [leaf for leaf, entry in enumerate(read) if entry.kind == "succession"],
        "n_open_grants": len(waiting),
        "open_grants": waiting,
    }


def _rows(entries: Iterator[bytes], first: int) -> Iterator[dict[str, Any]]:
    from medperf.provenance.log_entry import LogEntry

    for leaf, entry in enumerate(entries, first):
        yield {"leaf": leaf, **LogEntry.from_bytes(entry).model_dump(mode="json")}


def _profile() -> profiles.Profile:
    profile = profiles.choose(chosen_profile())
    if not profile.log_key:
        raise InvalidRequestError(
            f"the login {profile.name!r} was made before servers had logs and trusts no key",
            hint="Log in again, and compare 'medperf log key' with another member's.",
        )
    return profile


def _transport(profile: profiles.Profile) -> "Transport":
    from medperf.client.transport import AccessSecret, Transport

    secret = AccessSecret(profiles.secret_of(profile))
    return Transport(profile.server, secret, attempts=ATTEMPTS)


def _checkpoint(watch: "LogWatch", transport: "Transport") -> "Checkpoint":
    signed = watch.demand(transport)
    return watch.keys.read(signed)


def _size(signed: str) -> int:
    return int(signed.split("\n", 2)[1]) if signed else 0
