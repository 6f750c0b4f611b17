"""A work bundle is taken in whole, once, and as the server signed it; or not at all."""

import base64
import json
import shutil
import zipfile

import pytest
from federation.courier import AirGapped, take_part
from federation.federation import DIGEST, Federation
from federation.hospital_site import TestSite

from medperf.client.carrying import WorkManifest, write_work_bundle
from medperf.domain import errors
from medperf.domain.container_records import FileReference


@pytest.fixture(scope="module")
def offered(tmp_path_factory, server):
    """A site that takes part, its courier, and the bundle that brings its first work."""
    folder = tmp_path_factory.mktemp("offered")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDPERF_HOME", str(folder / "courier"))
        federation = Federation(folder, server)
        federation.set_up_benchmark()
        federation.add_model("Model A")
        hospital = AirGapped(federation, f"Air gap{federation._tag}", folder)
        take_part(hospital, federation)
        first = hospital.work()
        yield hospital, first
        federation.close()


@pytest.fixture
def hospital(offered):
    return offered[0]


@pytest.fixture
def file(offered):
    return offered[1]


@pytest.fixture
def site(offered, tmp_path):
    """A copy of the site as it was before it took the bundle in."""
    shutil.copytree(offered[0].folder, tmp_path / "site")
    return TestSite(tmp_path / "site")


def changed(file, change):
    """A copy of a work bundle whose manifest somebody edited on the way."""
    target = file.with_name(f"changed-{file.name}")
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            content = source.read(name)
            if name == "manifest.json":
                manifest = json.loads(content)
                change(manifest)
                content = json.dumps(manifest).encode()
            archive.writestr(name, content)
    return target


def answer_to(manifest, target):
    return next(each for each in manifest["answers"] if each["target"].startswith(target))


def refused(site, file, error):
    """Taking the bundle in fails as said, and changes nothing."""
    with site.opened() as opened:
        before = opened.store.rows("SELECT * FROM carried ORDER BY target")
        with pytest.raises(error) as caught:
            opened.take_in(file)
        assert [*map(tuple, opened.store.rows("SELECT * FROM carried ORDER BY target"))] == [
            *map(tuple, before)
        ]
    return caught.value


def test_an_answer_that_was_changed_on_the_way_spoils_the_bundle(site, file):
    def promote(manifest):
        answer = answer_to(manifest, "/api/v1/benchmarks/")
        answer["body"] = answer_to(manifest, "/api/v1/models/")["body"]

    error = refused(site, changed(file, promote), errors.SignatureError)
    assert "/api/v1/benchmarks/" in error.detail


@pytest.mark.parametrize("body", [b"cut sho", b"[]", b"{}"])
def test_an_answer_about_keys_that_is_none_spoils_the_bundle(site, file, body):
    def spoil(manifest):
        for each in manifest["answers"]:
            if each["target"].startswith("/api/v1/log/keys"):
                each["body"] = base64.b64encode(body).decode()

    refused(site, changed(file, spoil), errors.MalformedFileError)


def test_an_answer_passed_off_as_another_question_s_spoils_the_bundle(site, file):
    def exchange(manifest):
        answer_to(manifest, "/api/v1/me")["target"] = "/api/v1/work?after=-1&wait_s=0"

    refused(site, changed(file, exchange), errors.SignatureError)


def test_a_bundle_taken_in_twice_is_refused(site, file):
    with site.opened() as opened:
        opened.take_in(file)
    refused(site, file, errors.BundleReplayedError)


def test_a_bundle_older_than_the_last_one_is_refused(site, file, hospital):
    with site.opened() as opened:
        opened.take_in(hospital.work())
    refused(site, file, errors.BundleReplayedError)


def test_an_old_answer_in_a_new_bundle_is_refused(site, file, hospital):
    with zipfile.ZipFile(file) as archive:
        stale = answer_to(json.loads(archive.read("manifest.json")), "/api/v1/work")
    with site.opened() as opened:
        opened.take_in(file)

    def keep_stale(manifest):
        answer_to(manifest, "/api/v1/work").update(stale)

    refused(site, changed(hospital.work(), keep_stale), errors.BundleReplayedError)


def test_a_bundle_of_another_site_is_refused(site, hospital, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDPERF_HOME", str(tmp_path / "other courier"))
    other = AirGapped(hospital.federation, f"Other of {hospital.name}", tmp_path)
    other.enroll()
    theirs = other.work()
    refused(site, theirs, errors.ConflictError)

    def readdress(manifest):
        with site.opened() as opened:
            manifest["for_key"] = opened.signer.key_id

    refused(site, changed(theirs, readdress), errors.SignatureError)


@pytest.mark.parametrize("kept", [0, 10, 2000, -1])
def test_a_bundle_that_was_cut_short_is_refused(site, file, tmp_path, kept):
    part = tmp_path / "part.zip"
    part.write_bytes(file.read_bytes()[:kept])
    assert "cut short" in refused(site, part, errors.MalformedFileError).detail


def test_a_bundle_that_was_damaged_on_the_way_is_refused(site, file, tmp_path):
    content = bytearray(file.read_bytes())
    content[len("local header of 30 bytes, then") + len("manifest.json")] = 255
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(content)
    refused(site, damaged, errors.MalformedFileError)


def test_a_file_that_was_damaged_on_the_way_is_refused(site, file, tmp_path):
    """The digest that was registered would find it too, when the file is used; this is sooner."""

    def promise(manifest):
        manifest["files"] = [
            {"url": "https://example.org/x", "name": "manifest.json", "sha256": "0" * 64}
        ]

    refused(site, changed(file, promise), errors.MalformedFileError)


def test_an_image_that_was_not_carried_is_named_and_waited_for(site, file, tmp_path):
    with site.opened() as opened:
        opened.take_in(file)
        reference = FileReference(url="https://example.org/weights.tar", digest=DIGEST)
        with pytest.raises(errors.NotCarriedError, match="weights"):
            opened.assets.file(reference)


def test_an_image_that_was_swapped_on_the_way_is_not_used(site, file, hospital, tmp_path):
    reference = FileReference(url="https://example.org/weights.tar", digest=DIGEST)
    (tmp_path / "swapped").write_text("other weights")
    with zipfile.ZipFile(file) as archive:
        manifest = WorkManifest.model_validate(json.loads(archive.read("manifest.json")))
    write_work_bundle(tmp_path / "b.zip", manifest, {reference.url: tmp_path / "swapped"})
    with site.opened() as opened:
        assert opened.take_in(tmp_path / "b.zip").n_files == 1
        with pytest.raises(errors.DigestMismatchError):
            opened.assets.file(reference)
