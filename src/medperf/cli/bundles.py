"""Writing bundles to files: what ``medperf verify`` checks."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medperf.cli.new_files import write_new
from medperf.cli.output import show_done


def write_bundle(bundle: Mapping[str, Any], out: Path) -> None:
    """Write a bundle as it came from the server to a new file.

    Raises:
        ConflictError: if the file exists.
    """
    # Not through our own classes: what a newer server adds stays.
    write_new(out, f"{json.dumps(bundle, ensure_ascii=False)}\n".encode())
    n_statements = len(bundle["statements"])
    show_done(
        f"{out} holds {n_statements} statements with their proofs.",
        {"file": str(out), "n_statements": n_statements},
        f"medperf verify {out}",
    )
