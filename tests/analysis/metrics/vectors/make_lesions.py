"""Writes ``lesions.json``: lesion-wise scores of the BraTS 2023 evaluation program itself.

``python make_lesions.py`` where ``metrics.py`` of github.com/rachitsaluja/BraTS-2023-Metrics lies on
the path, with connected-components-3d 3.29, surface-distance 0.1, pandas and numpy < 2.3. The
program reads NIfTI files and appends to tables as older pandas did: masks are handed over in
memory as truth values, and older pandas' appending and replacing are put back. The program takes no
rule, but the name of a challenge.
"""

import base64
import json
import sys
import types
from pathlib import Path

import numpy as np
import pandas as pd
import surface_distance
from scipy.ndimage import gaussian_filter

PLACE = Path(__file__).with_name("lesions.json")
RULES = {"BraTS-GLI": "3-50", "BraTS-MEN": "1-50", "BraTS-MET": "1-2"}
SHAPE, SPACING_MM = (30, 28, 20), (1.0, 1.0, 1.0)


def main() -> None:
    """Write the file again."""
    images = types.ModuleType("nibabel")
    images.load = lambda image: image  # the program asks for nothing else
    sys.modules["nibabel"] = images
    pd.DataFrame.append = lambda one, two: pd.concat([one, two])
    vars(np)["Inf"] = np.inf  # as surface-distance calls it
    replace = pd.DataFrame.replace
    pd.DataFrame.replace = lambda table, one, two, **how: (
        replace(table, one, two, **how)
        if how
        else table.assign(**replace(table.select_dtypes("number"), one, two))
    )
    distances = surface_distance.compute_surface_distances
    surface_distance.compute_surface_distances = lambda one, two, spacing_mm: distances(
        one.astype(bool), two.astype(bool), spacing_mm
    )
    from metrics import get_LesionWiseResults

    rng = np.random.default_rng(23)
    cases = []
    for smooth, share in ((1.2, 0.04), (1.6, 0.08), (2.0, 0.1), (1.0, 0.02), (2.5, 0.15)):
        reference, prediction = seen_twice(rng, smooth, share)
        values = {}
        for challenge, rule in RULES.items():
            table = get_LesionWiseResults(Image(prediction), Image(reference), challenge)
            row = table[table["Labels"] == "ET"].iloc[0]
            found = int(row["Num_TP"])
            whole = 2 * found + int(row["Num_FP"]) + int(row["Num_FN"])
            values[f"lesion_dsc_brats@{rule}mm3"] = float(row["LesionWise_Score_Dice"])
            values[f"lesion_hd95_brats@{rule}mm3"] = float(row["LesionWise_Score_HD95"])
            values[f"lesion_f1_brats@{rule}mm3"] = 2 * found / whole
        cases.append(
            {"reference": packed(reference), "prediction": packed(prediction), "values": values}
        )
    source = "github.com/rachitsaluja/BraTS-2023-Metrics, see make_lesions.py; F1 is of its counts"
    content = {"source": source, "shape": SHAPE, "spacing_mm": SPACING_MM, "cases": cases}
    PLACE.write_text(json.dumps(content, indent=1) + "\n")


class Image:
    """What the program asks of a file: enhancing tumor, which is label 3."""

    def __init__(self, mask: np.ndarray) -> None:
        self.mask = mask
        self.header = types.SimpleNamespace(get_zooms=lambda: SPACING_MM)

    def get_fdata(self) -> np.ndarray:
        """Label 3 where the mask is."""
        return self.mask * 3.0


def seen_twice(
    rng: np.random.Generator, smooth: float, share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Clouds, and the same ones seen with other noise: lesions found, missed and made up."""
    common = gaussian_filter(rng.random(SHAPE), smooth)
    seen = [common + 0.5 * gaussian_filter(rng.random(SHAPE), smooth) for _ in range(2)]
    return tuple(each > np.quantile(each, 1 - share) for each in seen)


def packed(mask: np.ndarray) -> str:
    """Bits, row by row."""
    return base64.b64encode(np.packbits(mask).tobytes()).decode()


if __name__ == "__main__":
    main()
