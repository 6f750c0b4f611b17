from pathlib import Path

import pytest
from runners.engines import ISOLATING, Machine, base_image, debs, make_machine

__all__ = ["base_image", "debs"]


@pytest.fixture(params=ISOLATING)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    """Every runner that claims to isolate, one after the other."""
    return make_machine(request.param, tmp_path, request)
