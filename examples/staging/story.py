"""What makes one example's federation its own; how it is played is the same for all."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from examples.staging.files import BenchmarkFiles

EXAMPLES = ("breast_cancer", "lesion_outlines", "lung_survival")


@dataclass(frozen=True, slots=True)
class Story:
    """One benchmark with its people and patients.

    ``description`` is what a reader of the benchmark's numbers should know of it;
    ``cohort`` is a sentence about the patients in which ``{hospitals}`` stands for the counts;
    ``reference`` names the model that the committee registers as the benchmark's own;
    ``careful_hospital`` is where a person releases each result (the others have told their agents
    to); ``data`` is the word after a hospital's name that names its dataset; ``shown_metrics`` are
    the leaderboard's columns; ``site_settings`` is what the people of every hospital agree to
    beyond the defaults, such as a smaller smallest cell.
    """

    benchmark: str
    clinical_task: str
    description: str
    build: Callable[[Path], BenchmarkFiles]
    cohort: str
    reference: str
    careful_hospital: str
    data: str
    shown_metrics: tuple[str, ...]
    site_settings: tuple[str, ...] = ()


def story_of(example: str) -> Story:
    """The story of one of ``EXAMPLES``."""
    story: Story = import_module(f"examples.{example}.story").STORY
    return story
