"""The reference documents are what the program is."""

import runpy
from pathlib import Path

import pytest

from medperf.client.resources import BASE
from medperf.domain import lifecycle

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("generator", "document"),
    [
        ("openapi_reference.py", "openapi.json"),
        ("lifecycles_reference.py", "lifecycles.md"),
    ],
)
def test_a_generated_document_is_current(generator: str, document: str) -> None:
    rendered = runpy.run_path(str(DOCS / generator))["render"]()
    assert (DOCS / "reference" / document).read_text() == rendered, f"run: python docs/{generator}"


def test_every_line_of_every_table_is_drawn() -> None:
    page = (DOCS / "reference" / "lifecycles.md").read_text()
    for table in lifecycle.ALL:
        for transition in table.transitions:
            assert f"    {transition.source} --> {transition.target}: {transition.action}" in page


def test_every_route_is_described(template) -> None:
    paths = template.app.openapi()["paths"]
    assert len(paths) > 50
    for path, methods in paths.items():
        assert path.startswith(BASE) or path in {"/healthz", "/readyz", "/metrics"}
        for method, operation in methods.items():
            assert operation.get("summary"), (method, path)
            assert operation["operationId"], (method, path)


def test_operation_ids_are_unique(template) -> None:
    ids = [
        operation["operationId"]
        for methods in template.app.openapi()["paths"].values()
        for operation in methods.values()
    ]
    assert len(ids) == len(set(ids))
