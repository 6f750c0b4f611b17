"""Classical ways to outline a lesion inside a box that somebody has drawn around it.

Each takes the voxels inside the box and the spacing, and answers with a mask of the same shape.
All believe two things: what lies in the middle of the box is lesion, what lies at its walls is not.
Their settings are textbook defaults, written down before any lesion was scored.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.segmentation import random_walker, watershed

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Spacing = Sequence[float]

_CORE = 0.35
_WALL = 1.35
_SMOOTHING_MM = 0.8


def outline(settings: Mapping[str, Any], voxels: Floats, spacing_mm: Spacing) -> Mask:
    """Outline the lesion in ``voxels`` by the algorithm and with the options of ``settings``."""
    algorithm = ALGORITHMS[settings["algorithm"]]
    return algorithm(voxels, spacing_mm, **settings.get("options", {}))


def otsu(voxels: Floats, spacing_mm: Spacing) -> Mask:
    """The side of Otsu's threshold (1979) on which the middle lies."""
    smooth = _smoothed(voxels, spacing_mm)
    threshold = threshold_otsu(smooth.ravel())
    is_bright = np.median(smooth[_core(voxels.shape)]) > threshold
    return _middle_part(smooth > threshold if is_bright else smooth <= threshold)


def k_means(voxels: Floats, spacing_mm: Spacing, *, clusters: int = 3, rounds: int = 50) -> Mask:
    """Clusters of intensity and its neighborhood (Lloyd 1982); the lesion is the middle's."""
    features = np.stack(
        [_smoothed(voxels, spacing_mm), _smoothed(voxels, spacing_mm, 2.5)], axis=-1
    )
    points = features.reshape(-1, 2)
    shares = (np.arange(clusters) + 0.5) / clusters
    centers = np.quantile(points, shares, axis=0)
    nearest = np.zeros(len(points), dtype=np.intp)
    for _ in range(rounds):
        distances = ((points[:, None, :] - centers[None]) ** 2).sum(axis=2)
        nearest = distances.argmin(axis=1)
        moved = np.array(
            [
                points[nearest == k].mean(axis=0) if (nearest == k).any() else centers[k]
                for k in range(clusters)
            ]
        )
        if np.allclose(moved, centers):
            break
        centers = moved
    labels = nearest.reshape(voxels.shape)
    own = np.bincount(labels[_core(voxels.shape)], minlength=clusters).argmax()
    return _middle_part(labels == own)


def region_growing(voxels: Floats, spacing_mm: Spacing, *, spread: float = 2.5) -> Mask:
    """What hangs together with the middle and is within ``spread`` deviations of it."""
    smooth = _smoothed(voxels, spacing_mm)
    core = smooth[_core(voxels.shape)]
    center = np.median(core)
    deviation = 1.4826 * np.median(np.abs(core - center))  # of a normal distribution
    return _middle_part(np.abs(smooth - center) <= spread * max(deviation, 1.0))


def watersheds(voxels: Floats, spacing_mm: Spacing) -> Mask:
    """Flood the gradient from the middle and from the walls (Meyer 1994)."""
    gradient = ndimage.gaussian_gradient_magnitude(
        voxels, [_SMOOTHING_MM / side for side in spacing_mm]
    )
    return _filled(watershed(gradient, _markers(voxels.shape)) == 1)


def random_walk(voxels: Floats, spacing_mm: Spacing, *, beta: float = 130.0) -> Mask:
    """Would a walker reach the middle before the walls? Grady 2006."""
    low, high = np.percentile(voxels, [1, 99])
    if low == high:  # nothing to hold the walker up
        return _core(voxels.shape)
    scaled = np.clip((voxels - low) / (high - low), 0, 1)
    relative = np.asarray(spacing_mm) / min(spacing_mm)
    labels = random_walker(
        scaled, _markers(voxels.shape), beta=beta, mode="cg_j", tol=1e-5, spacing=relative
    )
    return _filled(labels == 1)


def whole_box(voxels: Floats, spacing_mm: Spacing) -> Mask:
    """The box itself: what can be said without looking at the image."""
    del spacing_mm
    return np.ones(voxels.shape, dtype=bool)


ALGORITHMS: Mapping[str, Callable[..., Mask]] = {
    "otsu": otsu,
    "k_means": k_means,
    "region_growing": region_growing,
    "watersheds": watersheds,
    "random_walk": random_walk,
    "whole_box": whole_box,
}


def _radius(shape: Sequence[int]) -> Floats:
    """0 in the middle of the box, 1 where an ellipsoid that fills it ends."""
    axes = [(np.arange(side) - (side - 1) / 2) / (side / 2) for side in shape]
    grids = np.meshgrid(*axes, indexing="ij")
    return np.asarray(np.sqrt(sum(grid**2 for grid in grids)))


def _core(shape: Sequence[int]) -> Mask:
    radius = _radius(shape)
    return radius <= max(_CORE, float(radius.min()))


def _markers(shape: Sequence[int]) -> NDArray[np.int32]:
    wall = np.ones(shape, dtype=bool)
    wall[tuple(slice(1, -1) for _ in shape)] = False
    markers = np.zeros(shape, dtype=np.int32)
    markers[wall | (_radius(shape) > _WALL)] = 2
    markers[_core(shape)] = 1
    return markers


def _smoothed(voxels: Floats, spacing_mm: Spacing, by_mm: float = _SMOOTHING_MM) -> Floats:
    return np.asarray(ndimage.gaussian_filter(voxels, [by_mm / side for side in spacing_mm]))


def _middle_part(mask: Mask) -> Mask:
    """The connected part that holds most of the middle, its holes filled."""
    parts, _ = ndimage.label(mask)
    inside = parts[_core(mask.shape)]
    inside = inside[inside > 0]
    if not len(inside):
        return np.zeros_like(mask)
    return _filled(parts == np.bincount(inside).argmax())


def _filled(mask: Mask) -> Mask:
    return np.stack([ndimage.binary_fill_holes(plane) for plane in np.moveaxis(mask, 2, 0)], axis=2)
