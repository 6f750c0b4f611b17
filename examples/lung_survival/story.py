"""Survival with advanced lung cancer: the story that ``make demo EXAMPLE=lung_survival`` plays."""

from examples.lung_survival.build import build
from examples.lung_survival.data import PACKAGE
from examples.staging.story import Story

STORY = Story(
    benchmark="Survival with advanced lung cancer",
    clinical_task="Predict survival with advanced lung cancer from what is known at enrollment",
    description="Models get age, sex and what physician and patient said at enrollment, and answer"
    " with the survival of each patient. Institutions are those that enrolled the patients; models"
    " were trained at other institutions.",
    build=build,
    cohort="228 patients of the NCCTG trial, at the institutions that enrolled them: {hospitals}, "
    f"the rest with the vendors. From {PACKAGE.filename} ({PACKAGE.license}).",
    reference="cox",
    careful_hospital="inst-1",
    data="follow-up",
    shown_metrics=("concordance_uno@450", "auc_at@360", "integrated_brier@90-450"),
    site_settings=("smallest_cell=5",),
)
