"""An agent that is killed leaves no step behind, or one that the next agent finds and removes."""

import multiprocessing
import time
from pathlib import Path

from runners.engines import run_as_agent

BEAT = (
    "import os, time\n"
    "for beat in range(10_000):\n"
    "    open(os.environ['MEDPERF_OUTPUT_PATH'] + '/beat', 'w').write(str(beat))\n"
    "    time.sleep(0.02)\n"
)


def test_a_step_ends_with_its_agent_or_is_cleaned_up_after_it(machine) -> None:
    step = machine.step(BEAT)
    agent = multiprocessing.get_context("spawn").Process(
        target=run_as_agent,
        args=(machine.kind, machine.folder / "runner", machine.image, step, machine.log),
    )
    agent.start()
    beat = machine.output / "beat"
    while not (beat.exists() and beat.read_text() not in {"", "0"}):
        assert agent.is_alive()
        time.sleep(0.05)
    agent.kill()
    agent.join()
    machine.runner.cleanup(step.step_id)
    assert _stops(beat)


def _stops(beat: Path) -> bool:
    """Whether nobody writes any more; without an engine it is the kernel that ends a step, soon."""
    for _ in range(200):
        before = beat.read_text()
        time.sleep(0.3)
        if beat.read_text() == before:
            return True
    return False
