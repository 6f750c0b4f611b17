"""``medperf logout``: revoke this machine's access and forget it."""

import click

from medperf.cli import profiles
from medperf.cli.command import Verb, chosen_profile
from medperf.cli.connection import connected
from medperf.cli.output import note, show_done
from medperf.domain.errors import MedPerfError


@click.command(cls=Verb, example="medperf logout\nmedperf logout --profile committee")
def command() -> None:
    """Forget a login and revoke its access.

    The login is forgotten here even when the server cannot be reached to revoke it.
    """
    profile = profiles.choose(chosen_profile())
    revoked = False
    try:
        with connected() as transport:
            transport.post(
                f"/api/v1/access-tokens/{profile.access_token_id}/revoke", {"reason": "logout"}
            )
            revoked = True
    except MedPerfError as error:
        note(f"The access could not be revoked at the server: {error}")
    profiles.forget(profile.name)
    show_done(f"Logged out of {profile.server}.", {"profile": profile.name, "is_revoked": revoked})
