"""``medperf server key``: the key with which the server signs its log, and what follows it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medperf.cli.asking import confirm
from medperf.cli.command import Noun
from medperf.cli.output import note, show_done, show_rows
from medperf.cli.server_folder import folder_option, require_folder
from medperf.cli.tables import Column

if TYPE_CHECKING:
    from medperf.server.succession import KeyInUse

COLUMNS = (
    Column("log key", "log_key"),
    Column("from leaf", "first_leaf"),
    Column("to leaf", "last_leaf"),
    Column("here", "is_here"),
)


@click.group(cls=Noun)
def command() -> None:
    """The key with which the server signs grants, checkpoints and what it vouches for."""


@command.command(example="medperf server key show --folder /srv/medperf")
@folder_option
def show(folder: str | None) -> None:
    """Show every key that the server signed with, and the leaves of the log that each signed."""
    from medperf.server import succession

    rows = [_row(each) for each in succession.show(require_folder(folder))]
    show_rows(rows, COLUMNS, "The server has no key.")


@command.command(example="medperf server key rotate --folder /srv/medperf --yes")
@click.option("--reason", default="", help="Why; everybody can read it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@folder_option
def rotate(reason: str, yes: bool, folder: str | None) -> None:
    """Replace the server's key by a new one, while the server runs or not.

    The old key signs that the new one follows, and the log shows it: sites and logins go on by
    themselves, and what the old key signed before stays valid. The old key is deleted.
    """
    from medperf.server import succession

    place = require_folder(folder)
    confirm("replace the server's key? There is no way back.", yes=yes)
    _done(place, succession.rotate(place, reason))
    note("Nobody has to do anything: whoever trusts the old key is led to the new one by the log.")


@command.command(
    example="""
    medperf server key revoke --folder /srv/medperf --reason "disk stolen" --yes
    medperf server key revoke --folder /srv/medperf --reason "disk lost" \
--former medperf-log-...+1a2b3c4d+AZ... --yes
    """
)
@click.option("--reason", required=True, help="Why; everybody can read it.")
@click.option("--former", metavar="KEY",
              help="The lost key, as 'medperf log key' shows it to any member.")  # fmt: skip
@click.option("--yes", is_flag=True, help="Do not ask.")
@folder_option
def revoke(reason: str, former: str | None, yes: bool, folder: str | None) -> None:
    """End the server's key at once, because it was lost or somebody else may have it.

    The old key is not asked, so nobody is led to the new one: each login and each site has to be
    told, by a person who compared it, and refuses this server until then.
    """
    from medperf.server import succession

    place = require_folder(folder)
    confirm("revoke the server's key? Every login and site has to trust the next one.", yes=yes)
    keys = succession.revoke(place, reason, former=former)
    _done(place, keys)
    new = keys[-1].key.to_text()
    note(
        "Tell every member the new key by a way that a thief does not have, such as a call. Then,"
        f" at each login: medperf log trust {new}\n"
        f"At each site: medperf site trust {new}\n"
        f"Who verifies: medperf verify FILE --log-key {new}, with a bundle or evidence pack made"
        " from now on. One that the old key signed proves nothing any more: whoever has that key"
        " can make another. What the log held before stays valid, and is in the new ones."
    )


def _done(place: Path, keys: "list[KeyInUse]") -> None:
    current = keys[-1]
    show_done(
        f"the log is signed with {current.key.to_text()} from leaf {current.first_leaf} on.",
        {"keys": [_row(each) for each in keys]},
        f"medperf server backup FILE --folder {place}: older backups hold the old key",
    )


def _row(each: "KeyInUse") -> dict[str, Any]:
    return {
        "log_key": each.key.to_text(),
        "key_id": each.key.public.key_id,
        "first_leaf": each.first_leaf,
        "last_leaf": each.last_leaf,
        "is_here": each.is_here,
    }
