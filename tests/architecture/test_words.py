"""One word per thing: what the glossary forbids does not appear in public names."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "medperf"

FORBIDDEN = {
    "institution": "organization",
    "hub": "server",
    "backend": "server",
    "collaborator": "site",
    "cube": "container (except in the mlcube.yaml format)",
    "experiment": "execution, or training experiment",
    "ground_truth": "reference label",
    "gold_standard": "reference label",
    "receipt": "attestation",
    "blockchain": "log",
    "reviewer": "output checker",
    "enrolment": "enrollment",
}


def _public_names(tree: ast.AST):
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
            if isinstance(node, ast.FunctionDef):
                yield from (argument.arg for argument in node.args.args + node.args.kwonlyargs)


def test_forbidden_words_do_not_appear_in_public_names():
    found = []
    for path in SOURCE.rglob("*.py"):
        for name in _public_names(ast.parse(path.read_text())):
            words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
            found += [
                f"{path.relative_to(ROOT)}: {name}: say {better}"
                for word, better in FORBIDDEN.items()
                if re.search(rf"(^|_){word}s?(_|$)", words) and not name.startswith("_")
            ]
    assert found == []


def test_the_glossary_lists_what_the_test_forbids():
    glossary = (ROOT / "docs" / "glossary.md").read_text()
    missing = [
        word for word in ("institution", "hub", "blockchain", "receipt") if word not in glossary
    ]
    assert missing == []


def test_no_registry_host_stands_in_a_tracked_file():
    hosts = [
        ".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "com"))
    ]
    found = [
        path.relative_to(ROOT).as_posix()
        for folder in ("src", "tests", "docs", "requirements", "examples", "bench", ".ci")
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
        and path.suffix in {".py", ".txt", ".in", ".md", ".sh", ".yaml", ".toml"}
        and any(host in path.read_text(errors="ignore") for host in hosts)
    ]
    assert found == []
