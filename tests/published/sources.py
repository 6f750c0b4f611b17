"""Who printed the values, each as it was read."""

from published.example import Source

HANLEY_MCNEIL = Source(
    "Hanley and McNeil 1982",
    "doi:10.1148/radiology.143.1.7063747",
    "numbers only",
)
SCIKIT_LEARN = Source(
    "scikit-learn 1.9.1",
    "docstrings of `sklearn.metrics`, as on scikit-learn.org",
    "BSD-3-Clause",
)
TORCHMETRICS = Source(
    "TorchMetrics",
    "github.com/Lightning-AI/torchmetrics, docstrings below `src/torchmetrics`",
    "Apache-2.0",
)
METRICS_RELOADED = Source(
    "Metrics Reloaded, figures of Reinke et al. 2024 as its tests hold them",
    "github.com/Project-MONAI/MetricsReloaded, `test/`",
    "Apache-2.0",
)
MONAI = Source("MONAI", "github.com/Project-MONAI/MONAI, `tests/metrics/`", "Apache-2.0")
SURFACE_DISTANCE = Source(
    "surface-distance",
    "github.com/google-deepmind/surface-distance, `surface_distance_test.py`",
    "Apache-2.0",
)
PANOPTICA = Source(
    "panoptica", "github.com/BrainLesion/panoptica, `unit_tests/test_metrics.py`", "Apache-2.0"
)
PADILLA = Source(
    "Object-Detection-Metrics (Padilla et al.)",
    "github.com/rafaelpadilla/Object-Detection-Metrics, `README.md`, An illustrated example",
    "MIT",
)
SCIKIT_SURVIVAL = Source(
    "scikit-survival",
    "github.com/sebp/scikit-survival, `tests/test_metrics.py`",
    "GPL-3.0, numbers only",
)
SCIKIT_SURVIVAL_MANUAL = Source(
    "scikit-survival 0.28",
    "docstrings of `sksurv.metrics`; a Cox model of the GBSG2 patients",
    "data also in lifelines (MIT)",
)
ACTSEG = Source("actseg", "github.com/actseg/actseg, `README.md` and `tests/`", "MIT")
