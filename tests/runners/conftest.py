from pathlib import Path

import pytest
from runners.engines import ALL, Machine, base_image, debs, make_machine

__all__ = ["base_image", "debs"]


@pytest.fixture(params=ALL)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    """Every runner this machine has, one after the other."""
    return make_machine(request.param, tmp_path, request)
