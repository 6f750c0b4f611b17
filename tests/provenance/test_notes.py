import pytest

from medperf.domain.errors import InvalidRequestError, MalformedFileError, SignatureError
from medperf.provenance.keys import PrivateKey
from medperf.provenance.notes import NoteKey, add_signature, open_note, sign_note

# The example of golang.org/x/mod/sumdb/note, the origin of the C2SP signed note.
PETER = NoteKey.from_text("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
ENOCH = NoteKey.from_text("EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop")
PETER_SEED = bytes.fromhex("810a1402d5146c8d84f2443330f54080ebf98ee17d9c74f6252fc5d5c7283173")
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
NOTE = (
    TEXT + "\n\N{EM DASH} PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
# The example of c2sp.org/signed-note: a key's text.
EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"


def test_opens_the_published_note():
    assert open_note(NOTE, PETER) == TEXT


def test_signs_the_published_note():
    assert sign_note(TEXT, "PeterNeumann", PrivateKey.from_seed(PETER_SEED)) == NOTE


@pytest.mark.parametrize("text", [EXAMPLE_KEY, PETER.to_text()])
def test_text_of_a_key_reads_back(text):
    assert NoteKey.from_text(text).to_text() == text


def test_unknown_signatures_are_ignored():
    both = add_signature(NOTE, "witness", PrivateKey.from_seed(bytes(32)))
    assert open_note(both, PETER) == TEXT
    assert open_note(both, NoteKey("witness", PrivateKey.from_seed(bytes(32)).public)) == TEXT


def test_a_note_of_strangers_is_refused_with_their_names():
    with pytest.raises(SignatureError, match="signed by PeterNeumann"):
        open_note(NOTE, ENOCH)


def test_a_key_of_the_same_name_is_another_key():
    with pytest.raises(SignatureError, match="none of the trusted keys"):
        open_note(NOTE, NoteKey("PeterNeumann", ENOCH.public))


def test_a_changed_text_is_refused():
    with pytest.raises(SignatureError):
        open_note(NOTE.replace("answer", "Answer"), PETER)


def test_one_false_signature_spoils_the_note():
    other = PrivateKey.from_seed(bytes(32))
    witness = NoteKey("witness", other.public)
    false = sign_note("other\n", "witness", other).partition("\n\n")[2]
    with pytest.raises(SignatureError):
        open_note(NOTE + false, PETER, witness)


def test_the_text_may_hold_empty_lines():
    key = PrivateKey.from_seed(bytes(32))
    note = sign_note("a\n\nb\n", "name", key)
    assert open_note(note, NoteKey("name", key.public)) == "a\n\nb\n"


@pytest.mark.parametrize("text", ["", "a", "a\tb\n", "a\0\n"])
def test_refuses_to_sign_what_is_not_the_text_of_a_note(text):
    with pytest.raises(InvalidRequestError, match="line end"):
        sign_note(text, "name", PrivateKey.from_seed(bytes(32)))


@pytest.mark.parametrize(
    "note",
    [
        "",
        TEXT,
        TEXT + "\n",
        NOTE.rstrip("\n"),
        NOTE.replace("\n\n", "\n"),
        NOTE.replace("\N{EM DASH}", "-"),
        NOTE.replace(" x08", "x08"),
        NOTE.replace("PeterNeumann", ""),
        NOTE.replace("=", ""),
        NOTE.replace("answer", "\tanswer"),
        TEXT + "\n\N{EM DASH} name AAAA\n",
        NOTE + "\n",
        NOTE + NOTE.partition("\n\n")[2] * 64,
    ],
)
def test_refuses_what_is_not_a_signed_note(note):
    with pytest.raises(MalformedFileError):
        open_note(note, PETER)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name+00000000",
        "name+00000000+!",
        "name+00000000+AgAA",
        "name+00000000+AQAA",
        PETER.to_text().replace("c74f20a3", "c74f20a4"),
        PETER.to_text().replace("c74f20a3", "C74F20A3"),
        PETER.to_text() + "A",
        "Peter Neumann" + PETER.to_text()[12:],
        PETER.to_text()[12:],
    ],
)
def test_refuses_what_is_not_a_verifier_key(text):
    with pytest.raises(InvalidRequestError):
        NoteKey.from_text(text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\n", "a\N{NO-BREAK SPACE}b"])
def test_names_have_neither_spaces_nor_plus(name):
    with pytest.raises(InvalidRequestError, match="no spaces"):
        NoteKey(name, PETER.public)
