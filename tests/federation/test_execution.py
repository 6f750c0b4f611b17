"""From an approved pair to a result on the leaderboard."""

import json


def test_an_approved_pair_becomes_a_result(federation):
    model = federation.add_model("Model A")
    site = federation.add_site("Hospital One")
    assert site.settle() == ["reported"]
    result = next(federation.committee.results.list(model_id=model.id))
    assert result.document["metrics"] == [{"name": "accuracy", "value": 0.9123, "n": 10}]


def test_what_left_stands_in_the_ledger_byte_for_byte(federation):
    federation.add_model("Model A")
    site = federation.add_site("Hospital One")
    site.settle()
    result = federation.the_result()
    with site.opened() as opened:
        lines = opened.ledger.lines()
    assert [line.kind for line in lines] == ["dataset", "association", "result"]
    assert json.loads(lines[-1].content) == result.statement
    assert lines[-1].answers[0][1] == f"result:{result.id}"
