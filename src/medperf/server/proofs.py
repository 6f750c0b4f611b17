"""Whoever names a public key proves that they hold the private half."""

from base64 import b64decode

from medperf.domain.errors import InvalidRequestError, SignatureError
from medperf.provenance.keys import PublicKey


def proven(public_key: str, proof: str, statement: str) -> PublicKey:
    """The key, if ``proof`` is its signature, in base64, of the statement's UTF-8 bytes.

    Raises:
        InvalidRequestError: if key or proof is no key or no base64.
        SignatureError: if the proof is something else.
    """
    key = PublicKey.from_text(public_key)
    require_proof(key, proof, statement)
    return key


def require_proof(key: PublicKey, proof: str, statement: str) -> None:
    """Insist that ``proof`` is this key's signature of the statement.

    Raises:
        InvalidRequestError: if it is not base64.
        SignatureError: if it is something else.
    """
    try:
        signature = b64decode(proof, validate=True)
    except ValueError:
        raise InvalidRequestError("the proof is not base64") from None
    try:
        key.verify(signature, statement.encode())
    except SignatureError:
        raise SignatureError("the proof is not this key's signature of what it proves") from None
