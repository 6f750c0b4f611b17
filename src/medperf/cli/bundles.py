"""Writing bundles to files: what ``medperf verify`` checks."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medperf.cli.output import show_done
from medperf.domain.errors import ConflictError


def write_bundle(bundle: Mapping[str, Any], out: Path) -> None:
    """Write a bundle as it came from the server to a new file.

    Raises:
        ConflictError: if the file exists.
    """
    if out.exists():
        raise ConflictError(f"{out} exists", hint="Name another file with --out.")
    # Not through our own classes: what a newer server adds stays.
    out.write_text(json.dumps(bundle, ensure_ascii=False) + "\n", encoding="utf-8")
    n_statements = len(bundle["statements"])
    show_done(
        f"{out} holds {n_statements} statements with their proofs.",
        {"file": str(out), "n_statements": n_statements},
        f"medperf verify {out}",
    )
