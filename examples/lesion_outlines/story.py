"""Outlining lesions in real volumes: the story that ``make demo EXAMPLE=lesion_outlines`` plays."""

from examples.lesion_outlines.build import build
from examples.lesion_outlines.data import PACKAGE
from examples.staging.story import Story

STORY = Story(
    benchmark="Lesion outlines",
    clinical_task="Outline a lesion inside a box that was drawn around it, in MR and CT",
    description="Models are told where to look: they get a box around each lesion, made from the"
    " reference outline and 5 mm wider on every side. So these numbers say how well a lesion is"
    " outlined that somebody has found, not whether it is found. Five patients in all; an algorithm"
    " that predicts nothing gets a distance of 100 mm.",
    build=build,
    cohort="5 patients with a lesion outlined by hand: {hospitals}. "
    f"From {PACKAGE.filename} ({PACKAGE.license}).",
    reference="otsu",
    careful_hospital="harbor",
    data="scans",
    shown_metrics=("dsc", "hd95_surfel_or_100mm", "nsd_surfel@2mm"),
    # Published scans of few patients: README.md says what this gives away.
    site_settings=("smallest_cell=2", "largest_share=1"),
)
