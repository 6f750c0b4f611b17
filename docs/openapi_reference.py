"""Writes ``docs/reference/openapi.json`` from the server: ``python docs/openapi_reference.py``.

A test runs ``render`` and compares, so a change of the interface is always a change of this file.
"""

import json
from pathlib import Path

from medperf.provenance.keys import PrivateKey
from medperf.server.app import build_app
from medperf.server.settings import ServerSettings

DOCUMENT = Path(__file__).parent / "reference" / "openapi.json"


def render() -> str:
    """The document, with its keys in order so that differences are small."""
    app = build_app(ServerSettings(database_url="sqlite:///unused"), PrivateKey.generate())
    document = app.openapi()
    app.state.program.database.close()
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    DOCUMENT.write_text(render())
