"""Center lines of tubular masks, for clDice.

Thinning is done by scikit-image, which is optional: the skeleton is part of the metric's
definition, and theirs (Lee, Kashyap and Chu 1994) is the one that published values use.
"""

import numpy as np
from numpy.typing import NDArray

from medperf.domain.errors import NotSupportedError

Bools = NDArray[np.bool_]


def center_lines(mask: Bools) -> Bools:
    """The voxels of ``mask`` that are left after thinning; outside of the array there is nothing.

    Raises:
        NotSupportedError: if scikit-image is not installed.
    """
    try:
        from skimage.morphology import skeletonize  # noqa: PLC0415 - optional
    except ImportError as fault:
        raise NotSupportedError(
            "clDice needs scikit-image, which is not installed here",
            hint="Install scikit-image beside the evaluator, or leave cldice_lee out.",
        ) from fault
    # A margin, so that a vessel that leaves the image is thinned like any other.
    thinned = skeletonize(np.pad(mask, 1), method="lee")  # type: ignore[no-untyped-call,unused-ignore]
    return np.asarray(thinned[(slice(1, -1),) * mask.ndim], dtype=np.bool_)
