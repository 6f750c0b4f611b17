"""Every error the platform can answer with, in one tree.

A family says who must act; a class says what went wrong. Each class carries a stable ``code``, a
one-sentence docstring that is its title, and a ``hint`` that says what to do next. How a family
maps to an HTTP status lives in ``server``, how it maps to an exit status lives in ``cli``.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar


class MedPerfError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "error"
    hint: ClassVar[str] = "Run the command again with --verbose and read the last lines."

    def __init__(self, detail: str = "", *, hint: str | None = None, **context: Any) -> None:
        """Keep one sentence of detail, an optional sharper hint and JSON-compatible context."""
        self.detail = detail or self.title()
        self.advice = hint or self.hint
        self.context = context
        super().__init__(self.detail)

    @classmethod
    def title(cls) -> str:
        """The first line of the docstring: what this class of error means."""
        return (cls.__doc__ or "").strip().splitlines()[0]


# --- families: who must act ---


class InvalidRequestError(MedPerfError):
    """The request cannot be understood or breaks a rule of its own."""

    code = "invalid-request"
    hint = "Correct the input and try again."


class NotFoundError(MedPerfError):
    """There is no such thing, or it is not visible to you."""

    code = "not-found"
    hint = "Check the number or name with the matching 'ls' command."


class UnauthenticatedError(MedPerfError):
    """The server does not know who is asking."""

    code = "unauthenticated"
    hint = "Log in with 'medperf login' or enroll the site again."


class ForbiddenError(MedPerfError):
    """You are known, but this is not yours to do."""

    code = "forbidden"
    hint = "Ask the owner named in the message, or an admin."


class ConflictError(MedPerfError):
    """The state of things does not allow this now."""

    code = "conflict"
    hint = "Look at the current state with the matching 'show' command."


class UntrustedError(MedPerfError):
    """A signature, digest or proof does not hold; nothing was used."""

    code = "untrusted"
    hint = "Do not retry. Tell the operator of the server what you saw."


class StepFailedError(MedPerfError):
    """The container ran and failed."""

    code = "step-failed"
    hint = "Read the container's log at the site and tell the container's owner."


class SandboxUnavailableError(MedPerfError):
    """The platform could not run the container at all."""

    code = "sandbox-unavailable"
    hint = "Run 'medperf doctor' to see what this machine can do."


class UnavailableError(MedPerfError):
    """Something needed is away for the moment."""

    code = "unavailable"
    hint = "It is retried by itself; if it lasts, check the network and the server."


class WithheldError(MedPerfError):
    """The gate kept something from leaving the site."""

    code = "withheld"
    hint = "See the findings at the site with 'medperf execution diagnose'."


# --- invalid request ---


class UnknownFilterError(InvalidRequestError):
    """A filter that does not exist was asked for."""

    code = "unknown-filter"
    hint = "Use one of the filters the message lists."


class MalformedFileError(InvalidRequestError):
    """A file is not what its format demands."""

    code = "malformed-file"
    hint = "Correct the file where the message says, and try again."


class TooLargeError(InvalidRequestError):
    """The request is larger than the server accepts."""

    code = "too-large"
    hint = "Send less; the message names the limit."


class ContainerConfigError(InvalidRequestError):
    """A container config breaks the container contract."""

    code = "container-config"
    hint = "Run 'medperf container check' for every fault with its line and remedy."


class UnsafeArchiveError(InvalidRequestError):
    """An archive holds a path or link that would leave its folder."""

    code = "unsafe-archive"
    hint = "Pack the archive again without links, absolute paths or '..'."


class EmptyInputError(InvalidRequestError):
    """A folder or file that must hold data is empty or missing."""

    code = "empty-input"
    hint = "Check the path; it must exist and hold at least one file."


class UnreadableFileError(InvalidRequestError):
    """A file or folder cannot be read."""

    code = "unreadable-file"
    hint = "Give the user MedPerf runs as permission to read it, and check the disk."


class IrregularFileError(InvalidRequestError):
    """A data folder holds something that is neither a file nor a folder."""

    code = "irregular-file"
    hint = "Replace the link, device, pipe or socket by the file it stands for."


class InestimableError(InvalidRequestError):
    """The numbers given do not allow this estimate."""

    code = "inestimable"
    hint = "Give more cases, patients or sites, or ask for an estimate that needs fewer."


class NotSupportedError(InvalidRequestError):
    """This is understood, but this version cannot do it."""

    code = "not-supported"
    hint = "The message names the reason; see the changelog for what is supported."


class NotInstalledError(InvalidRequestError):
    """This needs a package that is not installed here."""

    code = "not-installed"
    hint = "Install the extra that the message names."


# --- unauthenticated, forbidden, conflict ---


class InvitationError(UnauthenticatedError):
    """The invitation is unknown, used or expired."""

    code = "invitation"
    hint = "Ask an admin of the server for a new invitation."


class ClockSkewError(UnauthenticatedError):
    """The clocks of the two machines differ too much."""

    code = "clock-skew"
    hint = "Set the machine's clock (for instance with NTP) and try again."


class OwnApprovalError(ForbiddenError):
    """Nobody approves their own request."""

    code = "own-approval"
    hint = "Someone of the other side, and not the requester, must decide."


class AssociationDeniedError(ForbiddenError):
    """The benchmark's own policy does not let this take part."""

    code = "association-denied"
    hint = "The message names the rule; ask the benchmark's owner, or meet what it asks for."


class OwnSignatureError(ForbiddenError):
    """You registered a key of your own, and this decision is not signed with it."""

    code = "own-signature"
    hint = "Decide with 'medperf' where your key is, or revoke it with 'medperf key revoke'."


class TransitionError(ConflictError):
    """This state cannot be followed by the one asked for."""

    code = "transition"
    hint = "The lifecycle is drawn in docs/reference/lifecycles.md."


class NotOperationalError(ConflictError):
    """Something this depends on is not approved and operational now."""

    code = "not-operational"
    hint = "Have it approved first, or use a version that is operational."


class ImmutableError(ConflictError):
    """Operational things do not change; a change is a new version."""

    code = "immutable"
    hint = "Register a new version that names this one as superseded."


class DuplicateError(ConflictError):
    """This exists already."""

    code = "duplicate"
    hint = "Use the existing one, or choose another name."


class GrantError(ConflictError):
    """The grant is used, expired, revoked or does not match."""

    code = "grant"
    hint = "The agent requests a new grant by itself if the work is still wanted."


class FileChangedError(ConflictError):
    """A file changed while it was being read."""

    code = "file-changed"
    hint = "Wait until nothing writes to the folder any more, then try again."


class StoreLockedError(ConflictError):
    """Another agent works on this store."""

    code = "store-locked"
    hint = "Stop the other agent, or use another site folder."


class BundleReplayedError(ConflictError):
    """This bundle was taken in before, or a newer one was."""

    code = "bundle-replayed"
    hint = "Take in the newest work bundle; make another where there is a network."


# --- untrusted ---


class DigestMismatchError(UntrustedError):
    """Bytes do not have the digest that was promised."""

    code = "digest-mismatch"
    hint = (
        "Fetch it again; if it stays, tell its owner: what is registered is not what is delivered."
    )


class SignatureError(UntrustedError):
    """A signature is missing, unknown or wrong."""

    code = "signature"


class ProofError(UntrustedError):
    """A proof from the log does not hold."""

    code = "proof"


class LogForkError(UntrustedError):
    """The log is not a continuation of the one seen before."""

    code = "log-fork"
    hint = "Keep both checkpoints and tell the other members: someone rewrote history."


class LogKeyRevokedError(UntrustedError):
    """The key that is trusted for the server's log was revoked, as the next key's holder says."""

    code = "log-key-revoked"
    hint = (
        "Do not believe this message alone. Ask the operator and another member, by other ways,"
        " which key is the log's now; then 'medperf log trust KEY', or 'medperf site trust KEY'."
    )


class FingerprintMismatchError(UntrustedError):
    """The dataset's files are not the ones that were registered."""

    code = "fingerprint-mismatch"
    hint = "Restore the prepared files, or prepare and register a new version."


class SealError(UntrustedError):
    """A sealed file does not open: the secret is wrong, or it was cut short or changed."""

    code = "seal"
    hint = "Check the passphrase or key file; if it is right, copy the file again."


# --- running ---


class StepTimedOutError(StepFailedError):
    """The container ran longer than it may and was stopped."""

    code = "step-timed-out"
    hint = "Raise the time limit in the site's settings, or tell the container's owner."


class OutputLimitError(StepFailedError):
    """The container wrote more than it may and was stopped."""

    code = "output-limit"
    hint = "Raise the output limit in the site's settings, or tell the container's owner."


class OutOfMemoryError(StepFailedError):
    """The container used more memory than it may and was stopped."""

    code = "out-of-memory"
    hint = "Raise the memory limit in the site's settings, or tell the container's owner."


class StepOutputError(StepFailedError):
    """The container ended well but left no usable output."""

    code = "step-output"
    hint = "Tell the container's owner which output the message names."


class PreparationIncompleteError(StepFailedError):
    """Preparation is not finished; some cases need a person."""

    code = "preparation-incomplete"
    hint = "See 'medperf dataset worklist', correct the cases and prepare again."


class InvalidDataError(StepFailedError):
    """The prepared data did not pass its sanity check."""

    code = "invalid-data"
    hint = "Read the check's log at the site, correct the raw data and prepare again."


class DiskFullError(UnavailableError):
    """There is not enough free space."""

    code = "disk-full"
    hint = "Free space or move the site folder; work resumes where it was."


class DownloadError(UnavailableError):
    """A download did not complete."""

    code = "download"
    hint = "It resumes where it stopped; check the address if it keeps failing."


class ServerUnreachableError(UnavailableError):
    """The server does not answer."""

    code = "server-unreachable"
    hint = "Check the address, the network and the proxy; an agent tries again by itself."


class AwaitingCourierError(UnavailableError):
    """This has to be carried to the server, and its answer back."""

    code = "awaiting-courier"
    hint = "Run 'medperf bundle results' and have the file carried; then take in the next one."


class NotCarriedError(UnavailableError):
    """No work bundle brought this to the site."""

    code = "not-carried"
    hint = "The next 'medperf bundle work' brings what the site asked for."


class CancelledError(MedPerfError):
    """A person stopped this."""

    code = "cancelled"
    hint = "Start it again; finished steps are kept."


# --- withheld ---


class UndeclaredValueError(WithheldError):
    """The result holds something the analysis plan does not declare."""

    code = "undeclared-value"
    hint = "Declare it in the benchmark's analysis plan, in a new version."


class PolicyDeniedError(WithheldError):
    """The site's policy does not allow this."""

    code = "policy-denied"
    hint = "Run 'medperf policy explain JOB' at the site: it names the rule that decided, and why."


def as_ours(error: BaseException) -> MedPerfError:
    """The error itself, or for one that nobody expected one of ours that says what it was."""
    if isinstance(error, MedPerfError):
        return error
    return MedPerfError(f"unexpected {type(error).__name__}: {error}")


def walk(root: type[MedPerfError] = MedPerfError) -> Iterator[type[MedPerfError]]:
    """Yield ``root`` and every class below it."""
    yield root
    for child in root.__subclasses__():
        yield from walk(child)


def by_code() -> Mapping[str, type[MedPerfError]]:
    """Map each stable code to its class, so that a client raises the class the server raised."""
    return {cls.code: cls for cls in walk()}
