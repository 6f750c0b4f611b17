"""Malignant or benign, by cell nuclei: the story that ``make demo`` plays."""

from examples.breast_cancer.build import build
from examples.staging.story import Story

STORY = Story(
    benchmark="Malignant breast mass",
    clinical_task="Tell malignant from benign breast masses by cell nuclei",
    build=build,
    cohort="569 patients: {hospitals}, the rest with the vendors. "
    "Each hospital exports in its own way.",
    reference="logistic-regression",
    careful_hospital="northfield",
    data="nuclei",
    shown_metrics=("auroc", "sensitivity", "specificity", "brier"),
)
