import pytest

from medperf.domain.errors import MalformedFileError
from medperf.provenance.bundle import Bundle


def test_a_bundle_reads_back(story):
    story.all()
    bundle = story.federation.bundle()
    assert Bundle.from_bytes(bundle.to_bytes()) == bundle


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"[]", "the document"),
        (b'{"format":"medperf-bundle-v2","checkpoint":"","statements":[]}', "format"),
        (b'{"checkpoint":"","statements":[{}]}', "statements.0.envelope"),
    ],
)
def test_names_what_is_wrong(data, place):
    with pytest.raises(MalformedFileError, match=f"not a bundle: {place}"):
        Bundle.from_bytes(data)


def test_fields_that_are_not_known_yet_are_kept():
    data = b'{"checkpoint":"","format":"medperf-bundle-v1","later":1,"statements":[]}'
    assert Bundle.from_bytes(data).to_bytes() == data
