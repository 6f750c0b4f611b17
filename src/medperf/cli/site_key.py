"""``medperf site key``: the key with which a site signs, and what follows it."""

import click

from medperf.cli.asking import confirm
from medperf.cli.at_site import folder_option, opened, require_folder
from medperf.cli.command import Noun
from medperf.cli.connection import client, find_number
from medperf.cli.output import show_done, show_rows
from medperf.cli.tables import Column

COLUMNS = (
    Column("key", "key_id"),
    Column("enrolled", "created_at"),
    Column("revoked", "revoked_at"),
    Column("here", "is_here"),
)


@click.group(cls=Noun)
def command() -> None:
    """The key with which a site signs requests, datasets, results and policies."""


@command.command(example="medperf site key show\nmedperf site key show --json")
@folder_option
def show(folder: str | None) -> None:
    """Show this site's keys as the server knows them; a revoked one proves what it signed."""
    with opened(folder) as site:
        found = site.client.sites.get(site.settings.site_id)
        here = site.signer.key_id
    rows = [{**key.model_dump(mode="json"), "is_here": key.key_id == here} for key in found.keys]
    show_rows(rows, COLUMNS, "The server knows no key of this site.")


@command.command(example="medperf site key rotate --yes")
@click.option("--yes", is_flag=True, help="Do not ask.")
@folder_option
def rotate(yes: bool, folder: str | None) -> None:
    """Replace this site's key by a new one, while its agent does not run.

    What the old key signed stays valid. Grants are given to a key, so what is under way is taken
    back by the server and starts again under new grants; predictions are reused.
    """
    from medperf.site.key_rotation import rotate_key

    place = require_folder(folder)
    confirm("replace this site's key? Work under way starts again.", yes=yes)
    found = rotate_key(place)
    active = next(key.key_id for key in found.keys if key.revoked_at is None)
    show_done(
        f"site {found.id} signs with key {active} from now on.",
        found.model_dump(mode="json"),
        "medperf site start",
    )


@command.command(
    example='medperf site key revoke sha256:0f1e... --site 2 --reason "disk stolen" --yes'
)
@click.argument("key_id", metavar="KEY")
@click.option("--site", "reference", required=True, metavar="NUMBER|NAME", help="Whose key.")
@click.option("--reason", default="", help="Why; everybody can read it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def revoke(key_id: str, reference: str, reason: str, yes: bool) -> None:
    """End a site's key at once; a person of its organization or an admin does it.

    What it signed before stays valid; nothing it signs from now on is. A site without a key has to
    be enrolled anew, in another folder.
    """
    with client() as server:
        number = find_number(server.transport, "sites", reference)
        confirm(f"revoke key {key_id} of site {number}? It is never valid again.", yes=yes)
        found = server.sites.revoke_key(number, key_id, reason)
    show_done(f"key {key_id} of site {number} is revoked.", found.model_dump(mode="json"))
