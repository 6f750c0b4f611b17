"""When to try again: later each time, and not everybody at once."""

import random
from datetime import timedelta

FIRST_S = 1.0
MOST_S = 300.0


def backoff(attempts: int, rng: random.Random) -> timedelta:
    """How long to wait after so many failed attempts (one or more), with jitter."""
    seconds = min(MOST_S, FIRST_S * 2.0 ** min(attempts - 1, 30))
    return timedelta(seconds=seconds * (0.5 + rng.random() / 2))
