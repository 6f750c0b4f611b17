"""Objects of one case: which predicted one stands for which reference one.

The rule of COCO: predictions choose in order of their score, each the best free reference object,
if that is good enough. How good is the overlap (``iou``) or the distance of centers (``distance``).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medperf.domain.errors import InvalidRequestError

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class MatchedCase:
    """The predictions of one case in the order of their scores, highest first.

    ``goodness`` is ``m x r``, predictions by reference objects, higher for better: the IoU, or the
    distance with its sign turned. ``scores`` has shape ``m``.
    """

    scores: Floats
    goodness: Floats

    @property
    def n_reference(self) -> int:
        """Objects of the reference."""
        return int(self.goodness.shape[1])

    def partners(self, least: float) -> Integers:
        """For each prediction the index of its reference object, or -1."""
        free = np.ones(self.n_reference, dtype=np.bool_)
        chosen = np.full(len(self.scores), -1, dtype=np.int64)
        for k, row in enumerate(self.goodness):
            if not free.any():
                break
            best = int(np.argmax(np.where(free, row, -np.inf)))
            # Written down with few decimals, an overlap of exactly the threshold must not be lost.
            if row[best] >= least - 1e-10:
                chosen[k], free[best] = best, False
        return chosen


def matched(scores: Floats, goodness: Floats) -> MatchedCase:
    """Predictions in any order; equal scores keep theirs."""
    order = np.argsort(-scores, kind="stable")
    return MatchedCase(scores[order], goodness[order])


def box_iou(predicted: Floats, reference: Floats) -> Floats:
    """IoU of every predicted with every reference box: ``m x 2d`` and ``r x 2d`` give ``m x r``.

    A box is its lower and then its upper corner, in continuous coordinates: no pixel is added.

    Raises:
        InvalidRequestError: if an upper corner lies below a lower one.
    """
    n_axes = predicted.shape[1] // 2
    for boxes in (predicted, reference):
        if (boxes[:, n_axes:] < boxes[:, :n_axes]).any():
            raise InvalidRequestError("a box has an upper corner below its lower one")
    lower = np.maximum(predicted[:, None, :n_axes], reference[None, :, :n_axes])
    upper = np.minimum(predicted[:, None, n_axes:], reference[None, :, n_axes:])
    shared = np.prod(np.clip(upper - lower, 0, None), axis=2)
    one, two = (np.prod(b[:, n_axes:] - b[:, :n_axes], axis=1) for b in (predicted, reference))
    whole = one[:, None] + two[None, :] - shared
    iou: Floats = np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)
    return iou


def center_closeness(predicted: Floats, reference: Floats) -> Floats:
    """Minus the distance of every predicted to every reference center: ``m x d``, ``r x d``."""
    between = predicted[:, None, :] - reference[None, :, :]
    return np.asarray(-np.sqrt(np.sum(between**2, axis=2)), dtype=np.float64)


def box_centers(boxes: Floats) -> Floats:
    """The centers of ``m x 2d`` boxes."""
    n_axes = boxes.shape[1] // 2
    return np.asarray((boxes[:, :n_axes] + boxes[:, n_axes:]) / 2, dtype=np.float64)


def instance_iou(predicted: NDArray[np.integer], reference: NDArray[np.integer]) -> Floats:
    """IoU of every predicted with every reference instance of two label maps of one shape.

    Instances are the distinct numbers above 0, in ascending order.

    Raises:
        InvalidRequestError: if the maps differ in shape.
    """
    if predicted.shape != reference.shape:
        raise InvalidRequestError(
            f"the instance maps differ in shape: {predicted.shape} and {reference.shape}"
        )
    either = (predicted > 0) | (reference > 0)
    one_names, one = np.unique(predicted[either], return_inverse=True)
    two_names, two = np.unique(reference[either], return_inverse=True)
    shape = (len(one_names), len(two_names))
    shared = np.bincount(one * shape[1] + two, minlength=shape[0] * shape[1]).reshape(shape)
    whole = shared.sum(axis=1)[:, None] + shared.sum(axis=0)[None, :] - shared
    iou = shared / np.maximum(whole, 1)
    return np.asarray(iou[one_names > 0][:, two_names > 0], dtype=np.float64)
