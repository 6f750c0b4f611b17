"""``medperf server``: the coordination server, as its operator runs it."""

from pathlib import Path

import click

from medperf.cli import server_key
from medperf.cli.command import Noun
from medperf.cli.invitation import token_file_option
from medperf.cli.output import note, show_done, show_token
from medperf.cli.server_folder import folder_option, require_folder
from medperf.domain.errors import InvalidRequestError


@click.group(cls=Noun)
def command() -> None:
    """The coordination server: who is who, what is registered, approved, run, released."""


command.add_command(server_key.command, "key")


@command.command(
    example="""
    medperf server init --folder /srv/medperf --name "My federation" \
--organization "University of X" --admin "platform admin" --email admin@example.org
    medperf server init --folder /srv/medperf --name "My federation" \
--database-url postgresql://medperf@localhost/medperf
    """
)
@folder_option
@click.option("--name", required=True, help="What the server is called.")
@click.option(
    "--database-url", metavar="URL", help="PostgreSQL, say; a SQLite file in it by default."
)
@click.option("--public-url", metavar="URL", help="Where others reach the server.")
@click.option("--organization", help="The first admin's organization.")
@click.option("--admin", metavar="NAME", help="The first admin, who is invited.")
@click.option("--email", help="The first admin's e-mail address.")
@token_file_option
def init(
    folder: str | None,
    name: str,
    database_url: str | None,
    public_url: str | None,
    organization: str | None,
    admin: str | None,
    email: str | None,
    token_file: Path | None,
) -> None:
    """Make a server's folder: settings, its key, an empty database; invite the first admin."""
    from medperf.server import operations

    place = require_folder(folder)
    given = [organization, admin, email]
    if any(given) and not all(given):
        raise InvalidRequestError(
            "an admin needs a name, an organization and an e-mail address",
            hint="Give --admin, --organization and --email together.",
        )
    if organization and admin and email:
        operations.require_person(name=admin, email=email, organization=organization)
    settings = operations.init(place, name=name, database_url=database_url, public_url=public_url)
    done = {"folder": str(place.absolute()), "name": settings.name}
    if organization and admin and email:
        issued = operations.invite_user(
            place, name=admin, email=email, organization=organization, is_admin=True
        )
        show_token({**done, **issued.model_dump(mode="json")}, token_file)
        note(f"Next: medperf server start --folder {place}, then medperf login.")
    else:
        show_done(
            f"{place} is the server {settings.name}.",
            done,
            f"medperf server user --folder {place} --admin --help",
        )


@command.command(
    example="""
    medperf server start --folder /srv/medperf
    medperf server start --folder /srv/medperf --host 0.0.0.0 --port 8443 --processes 4
    """
)
@folder_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Listen on this address.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535),
              help="Listen on this port; 0 takes a free one.")  # fmt: skip
@click.option("--processes", default=1, show_default=True, type=click.IntRange(1, 256),
              help="How many processes serve.")  # fmt: skip
def start(folder: str | None, host: str, port: int, processes: int) -> None:
    """Serve until stopped (Ctrl-C or SIGTERM); the address is in the folder's server.address."""
    from medperf.server import operations

    place = require_folder(folder)
    operations.start(place, host=host, port=port, processes=processes, on_listening=note)


@command.command(
    example='medperf server user --organization "Hospital A" --name "data owner" --email it@x.org'
)
@folder_option
@click.option("--organization", required=True, help="Their organization; added if it is new.")
@click.option("--name", required=True, help="The person's name.")
@click.option("--email", required=True, help="The person's e-mail address.")
@click.option("--admin", is_flag=True, help="Let them administer the server.")
@token_file_option
def user(
    folder: str | None,
    organization: str,
    name: str,
    email: str,
    admin: bool,
    token_file: Path | None,
) -> None:
    """Invite a person from the server's own machine, without a login."""
    from medperf.server import operations

    issued = operations.invite_user(
        require_folder(folder), name=name, email=email, organization=organization, is_admin=admin
    )
    show_token(issued.model_dump(mode="json"), token_file)


@command.command(example="medperf server backup backup.medperf --folder /srv/medperf")
@click.argument("file", type=click.Path(path_type=Path))
@folder_option
def backup(file: Path, folder: str | None) -> None:
    """Write the whole server to one new file, while it runs; it holds the key: keep it safe."""
    from medperf.cli.progress import waiting
    from medperf.server import backup as backups

    with waiting("Writing the backup"):
        n_rows = backups.backup(require_folder(folder), file)
    show_done(f"{file} holds {n_rows} rows.", {"file": str(file), "n_rows": n_rows})


@command.command(
    example="""
    medperf server restore backup.medperf --folder /srv/restored
    medperf server restore backup.medperf --folder /srv/restored --database-url postgresql:///new
    """
)
@click.argument("file", type=click.Path(path_type=Path))
@folder_option
@click.option("--database-url", metavar="URL", help="An empty database; a SQLite file by default.")
def restore(file: Path, folder: str | None, database_url: str | None) -> None:
    """Make a server from a backup, in a new folder and an empty database."""
    from medperf.cli.progress import waiting
    from medperf.server import backup as backups

    place = require_folder(folder)
    with waiting("Reading the backup"):
        n_rows = backups.restore(file, place, database_url=database_url)
    note(
        "Is this the newest backup? Whatever the server signed after it was made is lost, and every"
        " site and login that saw it will report a fork. Put the lost server's log-checkpoint"
        " into the folder before restoring, and an older backup is refused."
    )
    show_done(
        f"{place} holds the server of {file}, {n_rows} rows.",
        {"folder": str(place.absolute()), "n_rows": n_rows},
        f"medperf server start --folder {place}",
    )
