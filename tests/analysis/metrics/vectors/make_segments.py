"""Writes ``segments.json``: edit scores and segmental F1 of the evaluation program of MS-TCN.

``python make_segments.py eval.py``, which is that of github.com/yabufarha/ms-tcn (MIT; it adapts that
of Lea et al.). Its command line is for Python 2, so only its functions are read, and a number type
that NumPy has dropped is put back.
"""

import json
import sys
from pathlib import Path

import numpy as np

PLACE = Path(__file__).with_name("segments.json")
OVERLAPS = (0.1, 0.25, 0.5)


def main() -> None:
    """Write the file again."""
    vars(np)["float"] = float
    program: dict = {}
    exec(Path(sys.argv[1]).read_text().partition("def main")[0], program)
    edit_score, f_score = program["edit_score"], program["f_score"]
    rng = np.random.default_rng(29)
    cases = []
    for _ in range(12):
        frames = int(rng.integers(20, 60))
        reference, prediction = (phases(rng, frames) for _ in range(2))
        # Half of the predictions follow the reference for a while.
        if rng.random() < 0.5:
            prediction[: frames // 2] = reference[: frames // 2]
        values = {"edit_score": edit_score(prediction, reference, bg_class=[]) / 100}
        for overlap in OVERLAPS:
            tp, fp, fn = f_score(prediction, reference, overlap, bg_class=[])
            values[f"segmental_f1@{overlap}"] = 2 * tp / (2 * tp + fp + fn)
        cases.append({"reference": reference, "prediction": prediction, "values": values})
    PLACE.write_text(
        json.dumps({"source": "ms-tcn, eval.py; see make_segments.py", "cases": cases}) + "\n"
    )


def phases(rng: np.random.Generator, frames: int) -> list[int]:
    """A video of some phases of some lengths, no phase next to itself."""
    found: list[int] = []
    while len(found) < frames:
        phase = int(rng.choice([k for k in range(4) if not found or k != found[-1]]))
        found += [phase] * int(rng.integers(2, 12))
    return found[:frames]


if __name__ == "__main__":
    main()
