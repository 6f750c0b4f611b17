"""Writes ``segmentation.json``: values of independent implementations, for tests that have none.

Run where monai 1.6.1, surface-distance 0.1, scikit-image 0.26 and numpy < 2.3 are installed:
``python make_segmentation.py``. The lesion-wise values in the file are kept. They come from a
transcription of the scoring of the BraTS 2023 evaluation program, with the connected-components-3d
and surface-distance it uses, for the rule 1-5 (one dilation, more than 5 mm3); F1 is from its counts.
"""

import base64
import json
import warnings
from pathlib import Path

import numpy as np

warnings.simplefilter("ignore")
import surface_distance  # noqa: E402
import torch  # noqa: E402
from monai.metrics import (  # noqa: E402
    DiceMetric,
    HausdorffDistanceMetric,
    SurfaceDiceMetric,
    SurfaceDistanceMetric,
)
from scipy.ndimage import gaussian_filter  # noqa: E402
from skimage.morphology import skeletonize  # noqa: E402

PLACE = Path(__file__).with_name("segmentation.json")
TOLERANCE_MM = 1.5
SHAPES = [
    ((16, 18, 12), (1.0, 1.0, 1.0), 2.0),
    ((16, 18, 12), (0.8, 0.8, 3.0), 2.0),
    ((20, 11, 14), (2.5, 0.7, 1.3), 1.2),
    ((20, 11, 14), (1.0, 1.0, 1.0), 0.8),
    ((9, 9, 9), (1.0, 2.0, 0.5), 0.0),
    ((30, 28), (1.0, 1.0), 2.0),
    ((30, 28), (0.6, 1.9), 1.0),
]


def main() -> None:
    """Write the file again, keeping the lesion-wise values."""
    kept = json.loads(PLACE.read_text())["cases"] if PLACE.exists() else []
    rng = np.random.default_rng(20)
    cases = []
    for number, (shape, spacing, smooth) in enumerate(SHAPES):
        reference = blobs(rng, shape, smooth)
        prediction = reference if number == 0 else blobs(rng, shape, smooth)
        if number == 0:
            prediction = np.roll(reference, (1, -1, 0), (0, 1, 2))
        case = {
            "shape": shape,
            "spacing_mm": spacing,
            "reference": packed(reference),
            "prediction": packed(prediction),
            "values": values(reference, prediction, spacing),
        }
        if number < len(kept) and kept[number]["reference"] == case["reference"]:
            case["values"].update(
                {k: v for k, v in kept[number]["values"].items() if k.startswith("lesion")}
            )
        cases.append(case)
    source = (
        "monai 1.6.1, surface-distance 0.1, scikit-image 0.26; "
        "lesion-wise: a transcription of BraTS 2023; see make_segmentation.py"
    )
    PLACE.write_text(json.dumps({"source": source, "cases": cases}, indent=1) + "\n")


def blobs(rng: np.random.Generator, shape: tuple[int, ...], smooth: float) -> np.ndarray:
    """Connected clouds that reach the edge of the image, or noise without smoothing."""
    noise = gaussian_filter(rng.random(shape), smooth) if smooth else rng.random(shape)
    return noise > np.quantile(noise, 0.8)


def packed(mask: np.ndarray) -> str:
    """Bits, row by row."""
    return base64.b64encode(np.packbits(mask).tobytes()).decode()


def values(reference: np.ndarray, prediction: np.ndarray, spacing: tuple[float, ...]) -> dict:
    """What each library says, under our names."""
    y = torch.from_numpy(reference[None, None])
    p = torch.from_numpy(prediction[None, None])
    sd = surface_distance.compute_surface_distances(reference, prediction, spacing)
    moment = sum(
        float(sd[f"distances_{a}"] @ sd[f"surfel_areas_{b}"])
        for a, b in (("gt_to_pred", "gt"), ("pred_to_gt", "pred"))
    )
    area = float(sd["surfel_areas_gt"].sum() + sd["surfel_areas_pred"].sum())
    lines = [skeletonize(np.pad(m, 1), method="lee") for m in (reference, prediction)]
    one = float((lines[0] & np.pad(prediction, 1)).sum() / lines[0].sum())
    two = float((lines[1] & np.pad(reference, 1)).sum() / lines[1].sum())
    return {
        "dsc": float(DiceMetric(num_classes=1)(p.float(), y.float())),
        "hd_voxel": monai(HausdorffDistanceMetric(include_background=True), p, y, spacing),
        "hd95_voxel_directed": monai(
            HausdorffDistanceMetric(include_background=True, percentile=95), p, y, spacing
        ),
        "nsd_voxel@1.5mm": monai(
            SurfaceDiceMetric(class_thresholds=[TOLERANCE_MM], include_background=True),
            p, y, spacing,
        ),
        "assd_voxel": monai(
            SurfaceDistanceMetric(include_background=True, symmetric=True), p, y, spacing
        ),
        "hd95_surfel": float(surface_distance.compute_robust_hausdorff(sd, 95)),
        "nsd_surfel@1.5mm": float(
            surface_distance.compute_surface_dice_at_tolerance(sd, TOLERANCE_MM)
        ),
        "assd_surfel": moment / area,
        "cldice_lee": 2 * one * two / (one + two) if one + two else 0.0,
    }  # fmt: skip


def monai(metric, prediction, reference, spacing) -> float:
    """One value of a MONAI metric; of the subvoxel kind nowhere."""
    return float(metric(prediction.float(), reference.float(), spacing=spacing))


if __name__ == "__main__":
    main()
