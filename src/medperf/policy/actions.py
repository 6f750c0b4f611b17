"""What can be asked of a policy, and the three answers.

Every action comes as a pair: ``run`` and ``runUnattended``, ``release`` and ``releaseUnattended``,
``associate`` and ``associateUnattended``. The first says whether it may happen at all, the second
whether it may happen now without asking a person (any further).
"""

from enum import StrEnum


class Scope(StrEnum):
    """Whose policy it is: a site's about its data, or the server's about taking part."""

    SITE = "site"
    SERVER = "server"


class Action(StrEnum):
    """What somebody wants to do."""

    RUN = "run"
    RELEASE = "release"
    ASSOCIATE = "associate"

    @property
    def unattended(self) -> str:
        """The name of the other half of the pair."""
        return f"{self.value}Unattended"

    @property
    def scope(self) -> Scope:
        """Whose policy answers."""
        return Scope.SERVER if self is Action.ASSOCIATE else Scope.SITE


class Answer(StrEnum):
    """What a policy says."""

    GO_AHEAD = "go_ahead"
    ASK = "ask"
    DENY = "deny"


class Ruling(StrEnum):
    """What the rules say about one half of a pair."""

    PERMITTED = "permitted"
    NOT_PERMITTED = "not_permitted"
    FORBIDDEN = "forbidden"


def answer_of(attended: Ruling, unattended: Ruling, *, is_approved: bool) -> Answer:
    """Make one answer of two rulings.

    Args:
        attended: the ruling on ``run``, ``release`` or ``associate``.
        unattended: the ruling on the other half of the pair.
        is_approved: a person has said yes. That stands in for a missing permit of the unattended
            half, and never overrides a forbid.
    """
    if attended is not Ruling.PERMITTED:
        return Answer.DENY
    if unattended is Ruling.PERMITTED:
        return Answer.GO_AHEAD
    if unattended is Ruling.NOT_PERMITTED and is_approved:
        return Answer.GO_AHEAD
    return Answer.ASK
