"""Who decides at the site: the operating system says, not the person.

Votes count by person, so a name must not be free to choose. By default a person is the user who
logged in to the machine: the login that the kernel keeps (Linux: ``/proc/self/loginuid``), which
neither ``su`` nor ``sudo`` changes; where there is none, the user the program runs as. Environment
variables are not asked.

Where several people share an account, ``people`` in ``site.yaml`` lists the names that a user may
decide under. Whoever may write that file may do anything here; so may whoever is root.
"""

import os
import pwd
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medperf.domain.errors import ForbiddenError
from medperf.site.store.votes import same_person

OUTPUT_CHECKER = "output checker"
_LOGIN = Path("/proc/self/loginuid")
_NO_LOGIN = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Person:
    """Who decides at the site, and in which role."""

    name: str
    role: str = OUTPUT_CHECKER


def system_user(login: Path = _LOGIN) -> str:
    """The name of the user who logged in, or whom this program runs as; ``uid 1234`` without."""
    try:
        number = int(login.read_text("ascii"))
    except (OSError, ValueError):
        number = _NO_LOGIN
    if number == _NO_LOGIN:
        number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"


def acting_person(
    people: Mapping[str, Sequence[str]],
    *,
    name: str | None = None,
    role: str | None = None,
    user: str | None = None,
) -> Person:
    """The person who decides.

    Args:
        people: the names that each user of the operating system may decide under.
        name: as the person says; without it, the first name listed, else the user's.
        role: output checker unless given.
        user: the user of the operating system, `system_user` unless given.

    Raises:
        ForbiddenError: the user may not decide under this name.
    """
    user = user or system_user()
    # A user who is listed has no further name: it would be another vote.
    names = list(people.get(user, ())) or [user]
    if name is None:
        return Person(names[0], role or OUTPUT_CHECKER)
    for known in names:
        if same_person(known) == same_person(name):
            return Person(known, role or OUTPUT_CHECKER)
    raise ForbiddenError(
        f"the user {user} of this machine may not decide as {name!r}",
        hint=f"Decide as {names[0]!r}, or have whoever keeps site.yaml list the name:"
        f" medperf site set 'people={{{user}: [\"{name}\"]}}'",
    )
