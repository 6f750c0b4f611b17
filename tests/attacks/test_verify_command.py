"""What a stranger does with a bundle and nothing else."""

import json

import pytest

from medperf.cli.main import run
from medperf.domain.log import LogBundle


@pytest.fixture
def file(world, tmp_path):
    result = world.federation.result(0.8)
    bundle = world.federation.cara.client.results.bundle(result.id)
    target = tmp_path / "result.json"
    target.write_text(bundle.model_dump_json(exclude_none=True))
    return target


@pytest.fixture
def verify(world, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MEDPERF_HOME", str(tmp_path / "home"))
    key = tmp_path / "log-key.txt"
    key.write_text(world.log_key.to_text() + "\n")

    def verify(file):
        status = run(["verify", str(file), "--log-key", str(key), "--json"])
        return status, json.loads(capsys.readouterr().out)

    return verify


def test_the_chain_from_the_number_to_what_it_rests_on_is_told_offline(file, verify):
    """The world's site names nobody who released the result, and that alone is missing."""
    status, told = verify(file)
    [result] = told["results"]
    assert result["result"]["metrics"][0]["value"] == 0.8
    assert {"dataset", "model/image", "evaluator/image", "grant"} <= result["subjects"].keys()
    assert [(each["step"]) for each in told["missing"]] == [10]
    assert (told["failed"], status) == ([], 7)


def test_a_bundle_with_one_statement_changed_is_not_verified(file, verify):
    """Stopped by signature and leaf."""
    bundle = LogBundle.model_validate_json(file.read_text()).model_dump(exclude_none=True)
    kept = bundle["statements"][-1]["envelope"]["signatures"][0]
    kept["sig"] = ("A" if kept["sig"][0] != "A" else "B") + kept["sig"][1:]
    file.write_text(json.dumps(bundle))
    status, told = verify(file)
    assert status == 7
    assert told["failed"]
