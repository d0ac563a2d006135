"""Calls of the API, with retries within one deadline."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Mapping
from typing import Callable, NamedTuple
from urllib.parse import quote

from ._document import Document, not_ours, parse_document
from ._errors import (
    ApiError,
    DocumentProblem,
    QuaymasterError,
    SealedAnswerError,
    UnreachableError,
    is_temporary,
    plain_text,
)
from ._sensitive import Sensitive
from ._transport import Answer, EventStream, Request, Transport

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 10.0
# A retry would fail again: the backend refuses, or an operator must act.
_FINAL = frozenset(["ERR_HELD", "ERR_PROVIDER_MALFORMED", "ERR_PROVIDER_DENIED"])
_MOST_CODE = 64
# The broker names no reason of a refused login to strangers, so the message says what to check.
_LOGIN_HINT = (
    "; check the name of the cluster, and that the token is for the audience of the broker and not expired; "
    "the broker has the reason in its audit log"
)
# A proxy in front of the broker may send any number.
_LONGEST_RETRY_AFTER = 3_600


class Limits(NamedTuple):
    """Seconds: `timeout` for one attempt, up to the last byte of its answer; `deadline` for a call with its retries."""

    timeout: float
    deadline: float


class Call(NamedTuple):
    """An operation, the path of its secret for errors, and what it sends. All operations of this package are safe to repeat."""

    operation: str
    method: str
    target: str
    path: str = ""
    body: Sensitive | None = None


def json_body(fields: Mapping[str, object]) -> Sensitive:
    return Sensitive(json.dumps(fields, separators=(",", ":")))


def secret_target(path: str, version: str | None) -> str:
    """The target of a secret. The API takes `/` literally in a path, and a path has no character that needs encoding."""
    query = "" if version is None else "?version=" + quote(version, safe="")
    return "/api/v1/secrets/" + path + query


class Backoff:
    """Pauses with full jitter: random, up to a bound that doubles, in addition to `Retry-After`.

    Clients with the same `Retry-After` do not return at the same moment (AWS Architecture Blog, "Exponential Backoff And Jitter").
    """

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._failures = 0

    def next(self, retry_after: int | None) -> float:
        bound = min(self._longest, self._first * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return min(retry_after or 0, _LONGEST_RETRY_AFTER) + random.random() * bound

    def reset(self) -> None:
        self._failures = 0


class Client:
    """Sends calls to one broker. `stopped` ends the pauses between retries."""

    def __init__(self, transport: Transport, limits: Limits, stopped: threading.Event) -> None:
        self._transport = transport
        self._limits = limits
        self._stopped = stopped

    def call(self, call: Call, token: Sensitive | None, deadline: float | None = None) -> Document:
        """The document of the answer, empty for an answer without a body. Raises ApiError, UnreachableError, SealedAnswerError."""
        end = time.monotonic() + (self._limits.deadline if deadline is None else deadline)
        request = Request(call.method, call.target, body=call.body)
        return self._retried(end, lambda seconds: _document(call, self._transport.send(request, token, seconds)))

    def open_events(self, last_event_id: str, token: Sensitive) -> EventStream:
        """Opens the event stream. It does not retry. Raises ApiError, UnreachableError."""
        target = "/api/v1/events"
        request = Request("GET", target, accept="text/event-stream", last_event_id=last_event_id)
        opened = self._transport.open_events(request, token, self._limits.timeout)
        if isinstance(opened, EventStream):
            return opened
        raise _refusal(Call("followEvents", "GET", target), opened)

    def close(self) -> None:
        self._transport.close()

    def _retried(self, end: float, once: Callable[[float], Document]) -> Document:
        backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        while True:
            seconds = min(self._limits.timeout, end - time.monotonic())
            try:
                return once(max(seconds, 0.001))
            except (ApiError, UnreachableError) as error:
                failure: ApiError | UnreachableError = error
            if not _may_retry(failure):
                raise failure
            pause = backoff.next(failure.retry_after if isinstance(failure, ApiError) else None)
            # The caller can use the time better than a wait that ends with the deadline.
            if time.monotonic() + pause >= end or self._stopped.wait(pause):
                raise failure


def _may_retry(error: QuaymasterError) -> bool:
    if isinstance(error, ApiError):
        if error.code in _FINAL:
            return False
        return error.status in (429, 502, 503, 504) or (error.status == 409 and error.retry_after is not None)
    # A proxy without a reachable broker returns 5xx answers of its own.
    return (
        isinstance(error, UnreachableError)
        and is_temporary(error)
        and (error.reason in ("no_connection", "timeout", "cut_off") or (error.status or 0) >= 500)
    )


def _document(call: Call, answer: Answer) -> Document:
    if answer.status == 204:
        return Document(None, answer.status)
    if answer.media == "application/jose":
        raise SealedAnswerError(
            f"{call.operation}: the broker sealed the answer to a key. This package has no sealed sessions; "
            "use @quaymaster/client or the agent"
        )
    if answer.status in (200, 201) and answer.media == "application/json":
        return parse_document(answer.body, answer.status)
    raise _refusal(call, answer)


def _refusal(call: Call, answer: Answer) -> QuaymasterError:
    """The broker's refusal, or an error for an answer that is not the broker's."""
    if answer.media != "application/problem+json" or answer.status < 400:
        return not_ours(answer.status)
    try:
        return api_error(call, parse_document(answer.body, answer.status), answer.status, answer.retry_after)
    except UnreachableError as error:
        return error


def api_error(call: Call, problem: Document, status: int, retry_after: int | None = None) -> ApiError:
    """Raises UnreachableError for a document that is not a problem of the broker."""
    code = problem.text("code")
    if not code.startswith("ERR_") or len(code) > _MOST_CODE or not code.replace("_", "").isalpha():
        raise not_ours(status)
    title, request_id = plain_text(problem.text("title")), plain_text(problem.text("requestId"))
    detail = problem.optional_text("detail")
    shown = None if detail is None else plain_text(detail)
    hint = _LOGIN_HINT if code == "ERR_TOKEN_INVALID" else ""
    return ApiError(
        f"{call.operation}: {shown or title}{hint} ({code}, status {status}, request {request_id})",
        status=status,
        code=code,
        title=title,
        detail=shown,
        request_id=request_id,
        retry_after=retry_after,
        path=call.path or call.target,
        problems=_problems(problem),
    )


def _problems(problem: Document) -> tuple[DocumentProblem, ...]:
    if not problem.has("problems"):
        return ()
    listed = problem.documents("problems")
    return tuple(DocumentProblem(plain_text(each.text("pointer")), plain_text(each.text("message"))) for each in listed)
