"""Writes ``definitions.json``: what each library says of one pair of masks, under its own definition.

Run where monai 1.6.1, surface-distance 0.1, medpy 0.5.2, SimpleITK 2.5 and numpy < 2.3 are installed:
``python make_definitions.py``. The pair is the second of ``segmentation.json``; the table of
``docs/explanation/metric-definitions.md`` is about it. SimpleITK has no such metric: the distances
are those of its ``LabelContour`` in its distance map, percentile and share over both directions.
"""

import base64
import json
import warnings
from pathlib import Path

import numpy as np

warnings.simplefilter("ignore")
import SimpleITK as sitk  # noqa: E402, N813 - as its manual does
import surface_distance  # noqa: E402
import torch  # noqa: E402
from medpy.metric import binary  # noqa: E402
from monai.metrics import (  # noqa: E402
    HausdorffDistanceMetric,
    SurfaceDiceMetric,
    SurfaceDistanceMetric,
)

PLACE = Path(__file__).with_name("definitions.json")
TOLERANCE_MM = 1.5


def main() -> None:
    """Write the file again."""
    case = json.loads(PLACE.with_name("segmentation.json").read_text())["cases"][1]
    shape, spacing = tuple(case["shape"]), tuple(case["spacing_mm"])
    reference, prediction = (
        np.unpackbits(np.frombuffer(base64.b64decode(case[which]), dtype=np.uint8))[
            : np.prod(shape)
        ]
        .reshape(shape)
        .astype(bool)
        for which in ("reference", "prediction")
    )
    found = {
        "MONAI": of_monai(reference, prediction, spacing),
        "surface-distance": of_surface_distance(reference, prediction, spacing),
        "medpy": {
            "hd": binary.hd(prediction, reference, spacing),
            "hd95": binary.hd95(prediction, reference, spacing),
            "assd": binary.assd(prediction, reference, spacing),
        },
        "SimpleITK": of_simpleitk(reference, prediction, spacing),
    }
    PLACE.write_text(json.dumps({"source": "see make_definitions.py", "values": found}) + "\n")


def of_monai(reference: np.ndarray, prediction: np.ndarray, spacing: tuple) -> dict:
    """Hausdorff distances, average distance, and NSD with voxels and with surface elements."""
    y, p = (
        torch.from_numpy(mask[None, None].astype(np.float32)) for mask in (reference, prediction)
    )
    metrics = {
        "hd": HausdorffDistanceMetric(include_background=True),
        "hd95": HausdorffDistanceMetric(include_background=True, percentile=95),
        "assd": SurfaceDistanceMetric(include_background=True, symmetric=True),
        "nsd": SurfaceDiceMetric([TOLERANCE_MM], include_background=True),
        "nsd_subvoxel": SurfaceDiceMetric(
            [TOLERANCE_MM], include_background=True, use_subvoxels=True
        ),
    }
    return {name: float(metric(p, y, spacing=spacing)) for name, metric in metrics.items()}


def of_surface_distance(reference: np.ndarray, prediction: np.ndarray, spacing: tuple) -> dict:
    """HD95 and NSD; the average of both directions is weighted by their areas."""
    distances = surface_distance.compute_surface_distances(reference, prediction, spacing)
    averages = surface_distance.compute_average_surface_distance(distances)
    areas = (distances["surfel_areas_gt"].sum(), distances["surfel_areas_pred"].sum())
    return {
        "hd95": surface_distance.compute_robust_hausdorff(distances, 95),
        "assd": float(np.average(averages, weights=areas)),
        "nsd": surface_distance.compute_surface_dice_at_tolerance(distances, TOLERANCE_MM),
    }


def of_simpleitk(reference: np.ndarray, prediction: np.ndarray, spacing: tuple) -> dict:
    """The Hausdorff distance, and what is made of contours and distance maps by hand."""
    images = []
    for mask in (reference, prediction):
        image = sitk.GetImageFromArray(mask.astype(np.uint8))
        image.SetSpacing([float(side) for side in spacing[::-1]])
        images.append(image)
    hausdorff = sitk.HausdorffDistanceImageFilter()
    hausdorff.Execute(*images)
    contours = [sitk.LabelContour(image) for image in images]
    maps = [
        sitk.GetArrayFromImage(
            sitk.Abs(
                sitk.SignedMaurerDistanceMap(
                    contour, insideIsPositive=False, squaredDistance=False, useImageSpacing=True
                )
            )
        )
        for contour in contours
    ]
    at = [sitk.GetArrayFromImage(contour).astype(bool) for contour in contours]
    both = np.concatenate([maps[1][at[0]], maps[0][at[1]]])
    return {
        "hd": hausdorff.GetHausdorffDistance(),
        "hd95": float(np.percentile(both, 95)),
        "nsd": float(np.mean(both <= TOLERANCE_MM)),
    }


if __name__ == "__main__":
    main()
