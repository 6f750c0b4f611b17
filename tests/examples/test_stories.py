"""Every example plays to its end: real server, real agents, isolated components."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from examples.lesion_outlines.data import PACKAGE as VOLUMES
from examples.lung_survival.data import PACKAGE as PATIENTS
from examples.staging.fetch import is_fetched
from examples.staging.story import EXAMPLES, story_of
from medperf.runners.sandbox import SandboxRunner

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 900
NEEDS = {"lesion_outlines": VOLUMES, "lung_survival": PATIENTS}
WORST = {
    "breast_cancer": "Fractal dimension only",
    "lesion_outlines": "The whole box",
    "lung_survival": "Sign error",
}


@pytest.mark.slow
@pytest.mark.containers
@pytest.mark.timeout(TIMEOUT_S + 60)
@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_plays_to_its_end_and_its_bad_model_is_last(example, tmp_path):
    available = SandboxRunner(tmp_path / "runner").available()
    if not available.ok:
        pytest.skip(available.reason)
    if example in NEEDS and not is_fetched(NEEDS[example]):
        pytest.skip(f"{NEEDS[example].filename} is not fetched")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MEDPERF_")}
    done = subprocess.run(
        [sys.executable, "-m", "examples.staging.demo", example],
        cwd=tmp_path,
        env={**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    board = done.stdout.partition("The leaderboard")[2].partition("Anybody can check it")[0]
    assert " 0 fail, 0 could not be made." in done.stdout
    names = [line for line in board.splitlines() if WORST[example] in line]
    shown = [line for line in board.splitlines() if line.strip()[:1].isdigit()]
    assert names
    assert shown[-1] == names[0]


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_story_says_where_its_people_are_and_what_is_shown(example):
    story = story_of(example)
    assert "{hospitals}" in story.cohort
    assert story.shown_metrics
    assert len(story.description) > 100
    assert (ROOT / "examples" / example / "README.md").is_file()
