"""The server signs what it answers to a courier, so that the answer can be believed days later.

An online site trusts the connection; a file that is carried on a stick has none. The signature
covers for which site's key the answer is, the request it answers and the answer itself: an answer
cannot be changed, given to another site, or passed off as the answer to another request.
"""

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import datetime

from medperf.domain.errors import SignatureError
from medperf.domain.identifiers import format_time, parse_time
from medperf.provenance.keys import PublicKey, Signer

ANSWER_HEADER = "MedPerf-Answer"
FOR_HEADER = "MedPerf-For"
CARRIED_HEADER = "MedPerf-Carried"

_HEADER = re.compile(
    r'at="(?P<at>[0-9TZ:.-]{1,40})",signature="(?P<signature>[A-Za-z0-9+/]{86}==)"'
)


@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """A request and its answer, as far as they are signed.

    Attributes:
        for_key: the id of the key of the site that the answer is for.
        method: such as ``GET``.
        target: path and query exactly as they were sent.
        idempotency_key: what makes one POST different from an equal later one; may be empty.
        request_sha256: hex digest of the request's body.
        status: of the answer.
        answer_sha256: hex digest of the answer's body.
    """

    for_key: str
    method: str
    target: str
    idempotency_key: str
    request_sha256: str
    status: int
    answer_sha256: str


def sign_answer(signer: Signer, answered: AnsweredRequest, at: datetime) -> str:
    """Write the value of the ``MedPerf-Answer`` header."""
    moment = format_time(at)
    signature = b64encode(signer.sign(_message(answered, moment))).decode()
    return f'at="{moment}",signature="{signature}"'


def verify_answer(header: str, answered: AnsweredRequest, key: PublicKey) -> datetime:
    """Answer when the server gave this answer.

    Raises:
        SignatureError: if the server's key did not sign exactly this.
    """
    match = _HEADER.fullmatch(header)
    about = f"the answer to {answered.method} {answered.target}"
    if match is None:
        raise SignatureError(f"{about} is not signed")
    try:
        key.verify(b64decode(match["signature"]), _message(answered, match["at"]))
        return parse_time(match["at"])
    except (SignatureError, ValueError):
        raise SignatureError(
            f"{about} is not what the server signed for site key {answered.for_key}"
        ) from None


def _message(answered: AnsweredRequest, moment: str) -> bytes:
    # The target comes last: it alone could hold a line end, so no two answers share a message.
    lines = (
        "medperf-answer-v1",
        answered.for_key,
        moment,
        answered.method,
        answered.idempotency_key,
        answered.request_sha256,
        str(answered.status),
        answered.answer_sha256,
        answered.target,
    )
    return "\n".join(lines).encode()
