"""The site of this machine, for the commands that work beside the data."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from medperf.cli.command import chosen_profile
from medperf.cli.connection import site_folder
from medperf.domain.errors import InvalidRequestError

if TYPE_CHECKING:
    from medperf.site.app import Site

F = TypeVar("F", bound=Callable[..., Any])


def folder_option(function: F) -> F:
    """``--folder``: the site's folder."""
    return click.option("--folder", metavar="DIR", help="The site's folder (or set MEDPERF_SITE).")(
        function
    )


def person_options(function: F) -> F:
    """``--as`` and ``--role``: who decides, for the site's own records."""
    role = click.option("--role", help="In which role.  [default: output checker]")
    name = click.option(
        "--as",
        "name_of_person",
        metavar="NAME",
        help="Who decides, of the names listed for you in site.yaml.  [default: your login]",
    )
    return name(role(function))


def acting_site(given: str | None) -> str | None:
    """The site's folder to act at, unless a person's login was named instead."""
    return given if given or chosen_profile() else site_folder(None)


def require_folder(given: str | None) -> Path:
    """The site's folder.

    Raises:
        InvalidRequestError: none was named.
    """
    folder = site_folder(given)
    if folder is None:
        raise InvalidRequestError(
            "which site? no folder was named", hint="Give --folder DIR or set MEDPERF_SITE."
        )
    return Path(folder)


@contextmanager
def opened(given: str | None) -> Iterator["Site"]:
    """The site, open for the time of a command."""
    from medperf.site.app import open_site

    with open_site(require_folder(given)) as site:
        yield site
