"""Errors of the package. None contains a token or received data, except the broker's own text in an `ApiError`."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_MOST_TEXT = 2_000
# A machine in the middle could send our own token back inside a text.
_TOKEN = re.compile(r"qm[esow]_[0-9A-Za-z]{8,}|eyJ[\w-]+\.[\w-]+\.[\w-]*", re.ASCII)
# Characters that a terminal interprets, that reorder or hide text (CVE-2021-42574), or that cannot be encoded.
_UNSAFE = frozenset(["Cc", "Cf", "Cs", "Zl", "Zp"])


def plain_text(text: str) -> str:
    """Received text on one line, bounded, without control characters and tokens."""
    shown = "".join(" " if unicodedata.category(each) in _UNSAFE else each for each in text[:_MOST_TEXT])
    return _TOKEN.sub("[sensitive]", shown)


class QuaymasterError(Exception):
    """Base class of all errors of this package."""


class InputError(QuaymasterError, ValueError):
    """An argument is invalid, and nothing was sent. The message does not contain the argument."""


class ClosedError(QuaymasterError):
    """The session was closed, or belongs to the process that this process was forked from."""


class SealedAnswerError(QuaymasterError):
    """The broker sealed its answer to a key. This package has no sealed sessions."""


@dataclass(frozen=True)
class DocumentProblem:
    """One problem in the body of a request."""

    pointer: str
    message: str


class ApiError(QuaymasterError):
    """The broker refused the request (RFC 9457). `code` is stable: docs/errors.md explains each."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        code: str = "",
        title: str = "",
        detail: str | None = None,
        request_id: str = "",
        retry_after: int | None = None,
        path: str = "",
        problems: tuple[DocumentProblem, ...] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        # Id of the request in the broker's log and audit log.
        self.request_id = request_id
        # Seconds after which a retry may succeed.
        self.retry_after = retry_after
        # Path of the secret, or of the request.
        self.path = path
        self.problems = problems


class UnreachableError(QuaymasterError):
    """No answer arrived, or one that is not the broker's.

    `reason` is `no_connection` (nothing was sent), `tls` (the certificate is not valid), `timeout`, `cut_off`, `silent` (an event
    stream without data), `not_ours` (not the API of a broker) or `too_large`.
    """

    def __init__(self, message: str, *, reason: str = "", status: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        # Status of an answer that is not the broker's.
        self.status = status


def is_temporary(error: QuaymasterError) -> bool:
    """True if the same request may succeed later without a change by its caller."""
    if isinstance(error, UnreachableError):
        return error.reason != "tls"
    return isinstance(error, ApiError) and (error.status == 429 or error.status >= 500)
