"""One value, one sequence of bytes: canonical JSON and digests over it.

Sorted keys, no whitespace, UTF-8, floats as the shortest text that reads back as the same number.
Signatures are made over bytes and verified over the same bytes; this writes them the first time.
"""

import hashlib
import json
import math
from typing import Any, NoReturn

from medperf.domain.errors import InvalidRequestError, MalformedFileError


def canonical_bytes(value: Any) -> bytes:
    """Write a JSON value (dict, list, tuple, str, int, float, bool, None) as canonical bytes.

    Raises:
        InvalidRequestError: for a key that is not text, for NaN and infinities, for text that
            UTF-8 cannot hold, and for anything that is not a JSON value.
    """
    try:
        _refuse_other_keys(value)
        return json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        ).encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidRequestError(f"this cannot be written as canonical JSON: {error}") from None


def digest_of(value: Any) -> str:
    """Name content: ``sha256:`` of the bytes given, or of the canonical bytes of a JSON value."""
    data = value if isinstance(value, bytes) else canonical_bytes(value)
    return "sha256:" + hashlib.sha256(data).hexdigest()


def read_json(data: bytes) -> Any:
    """Read JSON that has one meaning only.

    Raises:
        MalformedFileError: for what is not JSON in UTF-8, and for what readers disagree on:
            a key given twice, NaN and infinities, halves of surrogate pairs.
    """
    try:
        value = json.loads(
            data.decode(),
            object_pairs_hook=_unique_keys,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
        if b"\\ud" in data.lower():
            canonical_bytes(value)
    except (ValueError, RecursionError, InvalidRequestError) as error:
        raise MalformedFileError(f"this is not valid JSON: {error}") from None
    return value


def _refuse_other_keys(value: Any) -> None:
    # json.dumps would turn 1, True and None into text, so two values would share their bytes.
    if isinstance(value, dict):
        for key, child in value.items():
            if not isinstance(key, str):
                raise InvalidRequestError(f"a JSON key is text, this one is {key!r}")
            _refuse_other_keys(child)
    elif isinstance(value, list | tuple):
        for child in value:
            _refuse_other_keys(child)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise ValueError("a key is given twice")
    return unique


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is too large for a number")
    return number
