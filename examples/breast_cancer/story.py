"""Malignant or benign, by cell nuclei: the story that ``make demo`` plays."""

from examples.breast_cancer.build import build
from examples.staging.story import Story

STORY = Story(
    benchmark="Malignant breast mass",
    clinical_task="Tell malignant from benign breast masses by cell nuclei",
    description="Models get thirty measurements of cell nuclei from a fine needle aspirate and"
    " answer with the probability that the mass is malignant; from 0.5 on it counts as such."
    " Patients are those of the Wisconsin diagnostic data; hospitals and patient numbers are made"
    " up.",
    build=build,
    cohort="569 patients: {hospitals}, the rest with the vendors. "
    "Each hospital exports in its own way.",
    reference="logistic-regression",
    careful_hospital="northfield",
    data="nuclei",
    shown_metrics=("auroc", "sensitivity", "specificity", "brier"),
)
