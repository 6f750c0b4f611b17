import io
import json
import subprocess
import zipfile
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from medperf.domain.errors import ProofError
from medperf.evidence.dossier import Dossier
from medperf.evidence.pack.archive import archive, bag
from medperf.evidence.pack.contents import Pack, pack
from medperf.evidence.pack.model_card import model_card
from medperf.evidence.pack.self_check import self_check
from medperf.provenance.bundle import Bundle
from medperf.provenance.notes import NoteKey
from medperf.provenance.verify import verify_bundle

ROOT = Path(__file__).parents[2]
VALIDATOR = ROOT / ".venv/validators/bin/python"


@pytest.fixture(scope="module")
def found(dossier: Dossier) -> Pack:
    return pack(dossier)


@pytest.fixture(scope="module")
def unpacked(found: Pack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pack")
    zipfile.ZipFile(io.BytesIO(archive(found))).extractall(folder)
    [top] = folder.iterdir()
    return top / "data"


def test_a_pack_passes_its_own_checks(found: Pack) -> None:
    said = self_check(found)
    assert [each.partition(":")[0] for each in said] == [
        "BagIt", "RO-Crate 1.2", "Five Safes 0.4", "Croissant 1.0", "the plan is the frozen one",
        "proofs",
    ]  # fmt: skip


def test_the_same_dossier_gives_the_same_bytes(dossier: Dossier, found: Pack) -> None:
    assert archive(pack(dossier)) == archive(found)


def test_a_pack_holds_what_its_reader_needs(found: Pack) -> None:
    assert {path.partition("/")[0] for path in found.files} == {
        "README.md", "benchmark.json", "charts", "datasets", "leaderboard.csv", "leaderboard.html",
        "leaderboard.json", "models", "plan.json", "proof", "report.html", "report.pdf", "results",
        "ro-crate-metadata.json", "workflow",
    }  # fmt: skip


def test_the_bundle_inside_verifies_offline(unpacked: Path) -> None:
    key = NoteKey.from_text((unpacked / "proof/log-key.txt").read_text().strip())
    verdict = verify_bundle(Bundle.from_bytes((unpacked / "proof/bundle.json").read_bytes()), key)
    assert not verdict.failed
    assert len(verdict.results) == 1


def test_checksums_hold_by_the_common_program(unpacked: Path) -> None:
    for manifest in ("manifest-sha512.txt", "tagmanifest-sha512.txt"):
        subprocess.run(
            ["sha512sum", "--check", "--quiet", manifest], cwd=unpacked.parent, check=True
        )


def test_the_public_reader_of_crates_reads_it(unpacked: Path) -> None:
    from rocrate.rocrate import ROCrate

    crate = ROCrate(unpacked)
    assert crate.name.startswith("Evidence of Masses")
    assert crate.dereference("report.html")["encodingFormat"] == "text/html"
    assert {str(each["additionalType"]).rpartition("#")[2] for each in _assessments(crate)} == {
        "ValidationCheck", "SignOff", "DisclosureCheck",
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "profile"), [(".", "ro-crate-1.2"), ("workflow", "workflow-ro-crate")]
)
def test_the_public_validator_of_crates_finds_nothing(
    unpacked: Path, folder: str, profile: str
) -> None:
    if not VALIDATOR.exists():
        pytest.skip("the validators are not installed: make .venv/validators/stamp")
    context = files("rocrate") / "data/ro-crate.jsonld"
    ran = subprocess.run(
        [VALIDATOR, ROOT / "tests/evidence/validate_crate.py", unpacked / folder, profile, context],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout.strip()) == (0, "[]"), ran.stderr


def test_every_approval_is_there_with_its_person(found: Pack) -> None:
    graph = json.loads(found.files["ro-crate-metadata.json"])["@graph"]
    people = {each["name"] for each in graph if each["@type"] == "Person"}
    assert {"Ada", "Cara"} <= people


def test_a_policy_is_named_after_its_benchmark(found: Pack) -> None:
    graph = json.loads(found.files["ro-crate-metadata.json"])["@graph"]
    policies = {each["name"] for each in graph if each.get("additionalType") == "policy"}
    assert policies == {"Policy 1 of benchmark 1"}


@pytest.mark.parametrize(
    ("path", "content", "complaint"),
    [
        ("stray.txt", b"hello", "stray.txt is not described"),
        ("plan.json", b"{}", "not the one that was frozen"),
        ("proof/bundle.json", None, "checks of the bundle fail"),
        ("datasets/1.croissant.json", b'{"@type": "sc:Dataset"}', "no valid Croissant"),
    ],
)
def test_a_pack_that_is_not_whole_is_refused(
    found: Pack, path: str, content: bytes | None, complaint: str
) -> None:
    if content is None:
        document = json.loads(found.files[path])
        document["statements"][0]["log"]["index"] += 1
        content = json.dumps(document).encode()
    broken = replace(found, files={**found.files, path: content})
    with pytest.raises(ProofError, match=complaint):
        self_check(broken)


def test_a_missing_file_is_found(found: Pack) -> None:
    fewer = {path: content for path, content in found.files.items() if path != "report.pdf"}
    with pytest.raises(ProofError, match=r"report.pdf is described but not there"):
        self_check(replace(found, files=fewer))


def test_without_a_proof_there_is_no_pack(dossier: Dossier) -> None:
    with pytest.raises(ProofError):
        pack(replace(dossier, proof=None))


def test_a_bag_has_one_folder_and_an_identifier(found: Pack) -> None:
    names = zipfile.ZipFile(io.BytesIO(archive(found))).namelist()
    assert {name.partition("/")[0] for name in names} == {"evidence-benchmark-1"}
    assert b"External-Identifier: urn:uuid:" in bag(found)["bag-info.txt"]


def test_a_model_card_says_what_ran_and_how_it_did(dossier: Dossier) -> None:
    [model] = [model for model in dossier.models if model.name == "Net"]
    card = model_card(dossier, model)
    assert "# Net" in card
    assert "0.800" in card
    assert "sha256:" in card


def test_a_name_cannot_add_markup_to_a_model_card(dossier: Dossier) -> None:
    [model] = [model for model in dossier.models if model.name == "Net"]
    hostile = model.model_copy(update={"name": "x\n# Approved by [us](http://x)"})
    assert "\n# Approved" not in model_card(dossier, hostile)


def _assessments(crate: object) -> list[dict[str, object]]:
    entities = crate.get_entities()  # type: ignore[attr-defined]
    return [each for each in entities if each.type == "AssessAction"]
