"""Which exit status an error ends the program with, so that scripts can tell who must act.

A class has the status of the nearest family above it in the error tree; ``docs/reference/cli.md``
prints this table.
"""

from collections.abc import Mapping

from medperf.domain import errors

SUCCESS = 0

EXIT_CODES: Mapping[type[errors.MedPerfError], int] = {
    errors.MedPerfError: 1,
    errors.InvalidRequestError: 2,
    errors.NotFoundError: 3,
    errors.UnauthenticatedError: 4,
    errors.ForbiddenError: 5,
    errors.ConflictError: 6,
    errors.UntrustedError: 7,
    errors.StepFailedError: 8,
    errors.SandboxUnavailableError: 9,
    errors.UnavailableError: 10,
    errors.WithheldError: 11,
    errors.CancelledError: 130,  # as a shell reports a program that Ctrl-C ended
}
"""Family of errors to exit status."""


def exit_code_of(error: type[errors.MedPerfError]) -> int:
    """The exit status of an error class: its own line of the table or its family's."""
    return next(EXIT_CODES[cls] for cls in error.__mro__ if cls in EXIT_CODES)
