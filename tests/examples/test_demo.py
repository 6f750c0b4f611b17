"""What the demo does besides its story."""

import io
from types import SimpleNamespace

from rich.console import Console

from examples.staging.demo import _serve


def test_what_is_left_up_is_named_and_stopped_without_a_failure():
    looked = []

    def check_alive():
        looked.append("here")
        raise KeyboardInterrupt

    said = io.StringIO()
    stage = SimpleNamespace(check_alive=check_alive)
    _serve(stage, Console(file=said), "http://127.0.0.1:4711")
    assert "at http://127.0.0.1:4711, and so do the sites" in said.getvalue()
    assert said.getvalue().endswith("Stopped.\n")
    assert looked == ["here"]
