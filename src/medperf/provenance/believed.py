"""A statement that steps 1 to 5 of a verification proved; the later steps reason with these."""

from collections.abc import Mapping
from dataclasses import dataclass

from medperf.provenance.predicates import Predicate
from medperf.provenance.statements import Statement


@dataclass(frozen=True, slots=True)
class Believed:
    """A statement that was logged and signed.

    Attributes:
        statement: what is said.
        about: how findings name it.
        index: its leaf in the log.
        signed_by: owners' names by the ids of the keys that signed.
    """

    statement: Statement[Predicate]
    about: str
    index: int
    signed_by: Mapping[str, str]
