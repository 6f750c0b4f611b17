"""What a registered container says of itself, whatever its config holds."""

import pytest
from hospital import MODEL, OLDER_PREPARATOR, PREPARATOR


@pytest.mark.parametrize(
    ("container", "is_apart"), [(PREPARATOR, True), (OLDER_PREPARATOR, False), (MODEL, True)]
)
def test_labels_lie_apart_where_prepare_says_so(container, is_apart) -> None:
    assert container.has_separate_labels is is_apart


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"tasks": ["prepare"]},
        {"tasks": {"prepare": "x"}},
        {"tasks": {"prepare": {"output_volumes": 7}}},
    ],
)
def test_a_config_that_is_none_answers_too(config) -> None:
    answer = PREPARATOR.model_copy(update={"config": config}).has_separate_labels
    assert isinstance(answer, bool)
