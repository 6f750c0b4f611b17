"""A pack as one file: a ZIP archive of a BagIt bag, the same bytes for the same pack.

BagIt is RFC 8493; the Five Safes profile asks for SHA-512 manifests and one folder at the top.
"""

import hashlib
import io
import uuid
import zipfile

from medperf.evidence.pack.contents import Pack

_NAMESPACE = uuid.UUID("0e7f6c5e-3f0f-5d6a-9d5b-3b6f3f6f5a10")
_MODE = 0o644


def archive(pack: Pack) -> bytes:
    """Write the archive."""
    at = pack.dossier.leaderboard.as_of
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for path, content in bag(pack).items():
            entry = zipfile.ZipInfo(f"{folder(pack)}/{path}", at.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # as on Unix, whatever this runs on
            entry.external_attr = _MODE << 16
            file.writestr(entry, content)
    return buffer.getvalue()


def folder(pack: Pack) -> str:
    """The name of the one folder at the top."""
    return f"evidence-benchmark-{pack.dossier.benchmark.id}"


def bag(pack: Pack) -> dict[str, bytes]:
    """All files of the bag by path: the payload below ``data``, and what proves it whole."""
    payload = {f"data/{path}": content for path, content in pack.files.items()}
    tags = {
        "bagit.txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
        "bag-info.txt": _info(pack, payload),
        "manifest-sha512.txt": _manifest(payload),
    }
    return {**tags, "tagmanifest-sha512.txt": _manifest(tags), **payload}


def _manifest(files: dict[str, bytes]) -> bytes:
    lines = (f"{hashlib.sha512(files[path]).hexdigest()}  {path}\n" for path in sorted(files))
    return "".join(lines).encode()


def _info(pack: Pack, payload: dict[str, bytes]) -> bytes:
    dossier = pack.dossier
    n_bytes = sum(map(len, payload.values()))
    said = f"{dossier.benchmark.digest} {dossier.leaderboard.as_of.isoformat()}"
    lines = {
        "Bagging-Date": f"{dossier.leaderboard.as_of:%Y-%m-%d}",
        "External-Identifier": uuid.uuid5(_NAMESPACE, said).urn,
        "External-Description": f"Evidence of benchmark {dossier.benchmark.id}",
        "Payload-Oxum": f"{n_bytes}.{len(payload)}",
    }
    return "".join(f"{name}: {value}\n" for name, value in lines.items()).encode()
