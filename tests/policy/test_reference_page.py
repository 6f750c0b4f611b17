"""docs/reference/policy.md says what the catalog and the schemas say."""

import re
from pathlib import Path

import pytest
import yaml

from medperf.policy.actions import Scope
from medperf.policy.cases import read_cases, run_cases
from medperf.policy.catalog import CATALOG
from medperf.policy.checking import check
from medperf.policy.decision import Policy
from medperf.policy.parameters import Parameter
from medperf.policy.schema import SCHEMAS

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = (DOCS / "reference" / "policy.md").read_text()
EXPLANATION = (DOCS / "explanation" / "policies.md").read_text()
CEDAR = re.compile(r"^```text\n(// policy: (\w+)\n.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [match.groups() for match in CEDAR.finditer(REFERENCE + EXPLANATION)]


def described(parameter: Parameter) -> str:
    words = f"`{parameter.name}` {parameter.title[0].lower()}{parameter.title[1:]}"
    if parameter.options:
        words += f": {' or '.join(f'`{option}`' for option in parameter.options)}"
    if parameter.default is not None:
        words += f" ({parameter.words(parameter.default)})"
    return words


def table(scope: Scope) -> str:
    rows = ["| template | | grants the wish | parameters (default) |", "|---|---|---|---|"]
    for template in CATALOG[scope].values():
        parameters = "; ".join(described(parameter) for parameter in template.parameters)
        rows.append(f"| `{template.name}` | {template.role} | {template.title} | {parameters} |")
    return "\n".join(rows)


@pytest.mark.parametrize("scope", Scope)
def test_the_page_lists_every_template(scope):
    assert table(scope) in REFERENCE


@pytest.mark.parametrize("scope", Scope)
def test_the_page_shows_the_schema_as_it_is(scope):
    assert f"```text\n{SCHEMAS[scope]}```" in REFERENCE


@pytest.mark.parametrize(("text", "scope"), BLOCKS)
def test_every_policy_on_the_pages_is_valid(text, scope):
    assert check(text, Scope(scope)) == []


def test_the_cases_on_the_page_pass_on_the_policy_beside_them():
    assert len(BLOCKS) >= 2
    cases = re.search(r"^```yaml\n(.*?)^```$", REFERENCE, re.MULTILINE | re.DOTALL)
    assert cases is not None
    outcomes = run_cases(Policy(BLOCKS[0][0]), read_cases(yaml.safe_load(cases[1])))
    assert [outcome.complaint for outcome in outcomes] == [""] * len(outcomes)
