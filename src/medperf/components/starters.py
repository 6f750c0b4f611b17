"""Starters: small working containers that their owner turns into their own."""

from pathlib import Path

from medperf.components.packing import copy_component
from medperf.domain.errors import DuplicateError, NotFoundError

KINDS = ("preparator", "model", "evaluator")
_TEMPLATES = Path(__file__).parent / "templates"


def write_starter(kind: str, folder: Path) -> Path:
    """Write the starter for ``kind`` (one of ``KINDS``) to ``folder``.

    The three fit together: what the preparator writes the model reads, and the evaluator scores it.

    Raises:
        NotFoundError: if there is no such starter.
        DuplicateError: if something is in the folder already; nothing is overwritten.
    """
    if kind not in KINDS:
        raise NotFoundError(f"there is no starter '{kind}'; choose one of: {', '.join(KINDS)}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DuplicateError(
            f"{folder} exists and is not empty", hint="Name a new or an empty folder."
        )
    return copy_component(_TEMPLATES / kind, folder)
