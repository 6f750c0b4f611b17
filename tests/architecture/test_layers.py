"""The house keeps its shape: what the import contracts cannot say is said here."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "medperf"
MODULES = sorted(SOURCE.rglob("*.py"))


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _modules_where(found) -> set[str]:
    return {
        path.relative_to(SOURCE).as_posix()
        for path in MODULES
        if found(ast.parse(path.read_text()))
    }


def test_the_import_contracts_hold():
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=SOURCE.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_select_appears_in_queries_only():
    def selects(tree):
        return any(isinstance(c.func, ast.Name) and c.func.id == "select" for c in _calls(tree))

    outside = {path for path in _modules_where(selects) if not path.endswith("queries.py")}
    assert outside == set()


def test_only_the_gate_calls_the_upload_methods():
    uploads = {("results", "submit"), ("datasets", "register"), ("executions", "fail")}

    def uploading(tree):
        return any(
            isinstance(call.func, ast.Attribute)
            and isinstance(call.func.value, ast.Attribute)
            and (call.func.value.attr, call.func.attr) in uploads
            for call in _calls(tree)
        )

    at_the_site = {path for path in _modules_where(uploading) if path.startswith("site/")}
    assert at_the_site <= {"site/gate.py"}


@pytest.mark.parametrize("word", ["utils", "helpers", "common", "manager"])
def test_no_module_is_named_for_nothing(word):
    assert [path for path in MODULES if word in path.stem.split("_")] == []


def test_every_module_says_its_idea():
    without = [
        path.relative_to(SOURCE).as_posix()
        for path in MODULES
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert without == []


def test_help_loads_neither_web_framework_nor_numpy_nor_orm():
    script = (
        "import sys; from medperf.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'fastapi', 'numpy', 'sqlalchemy', 'pydantic', 'httpx2', 'rich', 'yaml'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_an_idle_site_loads_no_numerical_library():
    code = (
        "import sys, medperf.site.app, medperf.site.agent, medperf.site.compatibility\n"
        "print(sorted({'numpy', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_server_starts_without_the_parts_of_scipy_that_take_long_to_load():
    code = (
        "import sys, medperf.server.operations\n"
        "print(sorted({'scipy.optimize', 'scipy.stats'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
