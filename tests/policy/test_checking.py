import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import medperf.policy
from medperf.policy import cedar
from medperf.policy.actions import Scope
from medperf.policy.checking import MAX_DEPTH, MAX_OPERATORS, MAX_TEXT, check
from medperf.policy.decision import Policy
from medperf.policy.positions import find_quoted, statements
from medperf.policy.templates import Choice, compose

HEAD = '@id("a") permit (principal, action, resource)'
GOOD = compose(
    [Choice("only-purposes", {"purposes": ['a;"b"//\\']}), Choice("minimum-isolation", {})]
)

FAULTS = [
    # (text, line, column, part of the message)
    ("", 1, 1, "there is no policy here"),
    ("// only a comment", 1, 1, "there is no policy here"),
    (f"{HEAD}\nwhen {{\n  context.now < }};", 3, 17, "unexpected token `}`"),
    (f"{HEAD};\n{HEAD} when {{ # }};", 2, 54, "invalid token"),
    (f"{HEAD}\n  wen {{ true }};", 2, 3, "invalid policy condition: wen"),
    (f"{HEAD} when {{ true }}", 1, 59, "does not end with a semicolon"),
    (f"{HEAD};\n;", 2, 1, "unexpected token `;`"),
    (f"{HEAD}\nwhen {{ facts.purpose }};", 2, 14, "invalid member access"),
    (f"{HEAD}\nwhen {{ context.porpoise == 3 }};", 2, 16, "attribute `porpoise`"),
    (f"{HEAD}\nwhen {{ principal.name == 3 }};", 2, 18, "attribute `name`"),
    ('@id("a") permit (principal,\n action == Action::"walk", resource);', 2, 20, "unrecognized"),
    ('@id("a") permit (principal == User::"x", action, resource);', 1, 31, "`User`"),
    (f'{HEAD} when {{ context.counts.executions < "3" }};', 1, 1, "expected Long"),
    (f"{HEAD} when {{ context.document.size_bytes < 3 }};", 1, 62, 'Action::"run"'),
    ("permit (principal, action, resource);", 1, 1, "needs a name"),
    ('@id(" ") permit (principal, action, resource);', 1, 1, "needs a name"),
    (f"{HEAD};\n{HEAD};", 2, 1, "is called"),
    (f'{HEAD};\n@id("b") permit (principal == ?principal, action, resource);', 2, 31, "slot"),
    (f'{HEAD} when {{ context.now < datetime("soon") }};', 1, 77, "failed to parse as a datetime"),
    (f"{HEAD}; // \ud800", 1, 51, "half"),
    (f"{HEAD} when {{ {'(' * 60}true{')' * 60} }};", 1, 103, f"deeper than {MAX_DEPTH}"),
    (f"{HEAD} when {{ {'!' * 500}true }};", 1, 454, f"at most {MAX_OPERATORS} operators"),
    ("x" * (MAX_TEXT + 1), 1, 1, "characters"),
]


@pytest.mark.parametrize(("text", "line", "column", "message"), FAULTS)
def test_a_fault_is_named_with_its_place(text, line, column, message):
    faults = check(text)
    assert [fault for fault in faults if message in fault.message] != []
    fault = next(fault for fault in faults if message in fault.message)
    assert (fault.line, fault.column) == (line, column)
    assert str(fault).startswith(f"line {line}, column {column}: ")


def test_a_text_that_cedar_reads_as_fewer_policies_is_refused(monkeypatch):
    real = cedar.parse
    monkeypatch.setattr(cedar, "parse", lambda text: replace(real(text), rules=()))
    [fault] = check(f"{HEAD};")
    assert "1 policies are written here, but Cedar reads 0" in fault.message


def test_what_is_quoted_and_nowhere_to_be_found_is_at_the_beginning():
    [statement] = statements(f"\n {HEAD};")
    assert find_quoted(statement, "`nowhere` is not `anywhere`") == statement.start
    assert find_quoted(statement, "`nowhere` but `principal`") > statement.start


def test_all_faulty_policies_are_named_at_once():
    text = f'{HEAD} when {{ context.x }};\n\n@id("b") forbid (principal, action, resource) when {{ 1 }};'
    assert [fault.line for fault in check(text)][-1] == 3
    assert check(text)[0].line == 1


def test_a_site_cannot_ask_for_the_facts_of_the_server():
    text = f"{HEAD} when {{ context.n_associated < 3 }};"
    assert check(text, Scope.SITE)
    assert check(text, Scope.SERVER) == []


def test_semicolons_in_texts_and_comments_end_no_policy():
    assert len(statements(GOOD + "// a; comment")) == 3
    assert check(GOOD) == []


@settings(max_examples=60)
@given(st.text(max_size=200))
def test_any_text_is_answered_with_faults(text):
    assert check(text) != []


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_policy_is_either_valid_or_faulty_and_never_an_exception(data):
    start = data.draw(st.integers(0, len(GOOD) - 1))
    end = data.draw(st.integers(start, min(len(GOOD), start + 40)))
    text = GOOD[:start] + data.draw(st.text(max_size=5)) + GOOD[end:]
    policy = Policy(text)
    assert policy.is_valid is not bool(policy.faults)


def test_deep_nesting_does_not_end_the_process():
    code = (
        "from medperf.policy.checking import check\n"
        "for o, c in ('()', '[]', ('if true then ', ' else true'), ('context.a && ', '')):\n"
        "    text = '@id(\"a\") permit (principal, action, resource) when { '\n"
        "    assert check(text + o * 5000 + 'true' + c * 5000 + ' };')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == 0


def test_cedar_is_loaded_by_one_module_and_only_when_a_policy_is_read():
    code = (
        "import sys, medperf.policy.explaining, medperf.policy.simulating, medperf.policy.budget\n"
        "import medperf.policy.cases, medperf.policy.templates, medperf.policy.associating\n"
        "assert 'cedarpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_other_module_imports_cedar():
    folder = Path(medperf.policy.__file__).parent
    imports = [path.name for path in folder.glob("*.py") if "import cedarpy" in path.read_text()]
    assert imports == ["cedar.py"]
