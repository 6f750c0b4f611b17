import base64

import pytest

from medperf.domain.errors import LogForkError, MalformedFileError, ProofError, SignatureError
from medperf.provenance.checkpoint import Checkpoint, read_checkpoint, sign_checkpoint
from medperf.provenance.keys import PrivateKey
from medperf.provenance.merkle import MemoryNodes, Tree, leaf_hash
from medperf.provenance.notes import NoteKey, sign_note

KEY = PrivateKey.from_seed(bytes(32))
ORIGIN = "medperf.example.org/log"
LOG_KEY = NoteKey(ORIGIN, KEY.public)
# The example of c2sp.org/tlog-checkpoint.
EXAMPLE = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="


def tree_of(words):
    tree = Tree(MemoryNodes())
    for word in words:
        tree.append(leaf_hash(word.encode()))
    return tree


def checkpoint_of(tree):
    return Checkpoint(ORIGIN, tree.size, tree.root())


def test_reads_and_writes_the_published_example():
    checkpoint = Checkpoint.from_text(EXAMPLE)
    assert checkpoint.origin == "example.com/behind-the-sofa"
    assert checkpoint.size == 20852163
    assert checkpoint.root == base64.b64decode(ROOT)
    assert checkpoint.to_text() == EXAMPLE


def test_extension_lines_are_skipped():
    assert Checkpoint.from_text(EXAMPLE + "more\nand more\n") == Checkpoint.from_text(EXAMPLE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        EXAMPLE[:-1],
        EXAMPLE + "\n",
        EXAMPLE.replace("20852163", "020852163"),
        EXAMPLE.replace("20852163", "-1"),
        EXAMPLE.replace("20852163", "1e3"),
        EXAMPLE.replace("20852163", "\N{SUPERSCRIPT TWO}"),
        EXAMPLE.replace("q2I=", "q2="),
        EXAMPLE.replace("example.com/behind-the-sofa", ""),
    ],
)
def test_refuses_what_is_not_a_checkpoint(text):
    with pytest.raises(MalformedFileError):
        Checkpoint.from_text(text)


def test_a_signed_checkpoint_reads_back():
    checkpoint = checkpoint_of(tree_of("abc"))
    assert read_checkpoint(sign_checkpoint(checkpoint, KEY), LOG_KEY) == checkpoint


def test_a_checkpoint_by_another_key_is_refused():
    note = sign_checkpoint(checkpoint_of(tree_of("abc")), PrivateKey.generate())
    with pytest.raises(SignatureError):
        read_checkpoint(note, LOG_KEY)


def test_a_checkpoint_of_another_log_is_refused_even_if_the_key_signed_it():
    note = sign_note(EXAMPLE, ORIGIN, KEY)
    with pytest.raises(LogForkError, match="behind-the-sofa"):
        read_checkpoint(note, LOG_KEY)


def test_growth_by_appending_is_accepted():
    tree = tree_of("abcdefg")
    earlier = Checkpoint(ORIGIN, 3, tree.root(3))
    earlier.require_growth(checkpoint_of(tree), tree.prove_consistency(3))


def test_a_rewritten_log_is_a_fork():
    tree = tree_of("aXcdefg")
    with pytest.raises(LogForkError, match="rewritten"):
        checkpoint_of(tree_of("abc")).require_growth(checkpoint_of(tree), tree.prove_consistency(3))


def test_a_log_that_was_rolled_back_is_a_fork():
    with pytest.raises(LogForkError, match="shrank from 7 to 3"):
        checkpoint_of(tree_of("abcdefg")).require_growth(checkpoint_of(tree_of("abc")), [])


def test_a_proof_of_the_wrong_length_is_refused():
    with pytest.raises(ProofError):
        checkpoint_of(tree_of("abc")).require_growth(checkpoint_of(tree_of("abcd")), [])


def test_another_log_is_not_a_continuation():
    one = checkpoint_of(tree_of("abc"))
    with pytest.raises(LogForkError, match="other"):
        one.require_growth(Checkpoint("other", 3, one.root), [])
