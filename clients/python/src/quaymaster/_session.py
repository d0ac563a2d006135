"""The session of a workload."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Callable, TypeVar

from ._broker_url import parse_broker_url
from ._client import Backoff, Call, Client, Limits, api_error, json_body, secret_target
from ._document import Document, not_ours
from ._errors import ApiError, ClosedError, InputError, QuaymasterError, SealedAnswerError, is_temporary
from ._follow import Following
from ._held_leases import Due, HeldLeases
from ._secret import Reads, Secret, checked_path, checked_paths, checked_version, read_secret
from ._sensitive import Sensitive
from ._tls import TlsFiles
from ._token import token_from, token_from_file
from ._transport import EventStream, Transport
from ._version import __version__

_LOG = logging.getLogger("quaymaster")
_MOST_BATCH = 1_000
_MOST_TOKEN = 256
_RENEW_AFTER = 1 / 2
_SHORTEST_WAIT = 1.0
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
_LONGEST_WAIT = 3_600.0
_CLOSE_SECONDS = 5.0
# A renewal that fails is repeated later, and must not delay the others.
_RENEWAL_SECONDS = 15.0
_LOGIN = "/api/v1/sessions"
_SELF = "/api/v1/sessions/self"
_BATCH = "/api/v1/secrets:batch"

T = TypeVar("T")


class OpenedSession:
    """A session at the broker. Another login opens another one."""

    def __init__(self, document: Document) -> None:
        session = document.document("session")
        self.token = document.sensitive("token")
        self.event_id = document.text("eventId")
        self.id = session.text("id")
        if not _is_header(self.token) or not (self.event_id.isascii() and self.event_id.isdigit()):
            raise not_ours(201)
        if session.has("keyThumbprint"):
            raise SealedAnswerError("the session is bound to a key; this package has no sealed sessions")
        # The broker's clock minus the monotonic clock of this process, which never jumps.
        self.offset = session.instant("createdAt") - time.monotonic()
        self.leases = HeldLeases(self.offset)
        self.backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        self.ends_at = 0.0
        self.renew_at = 0.0
        self.extend(session.instant("endsAt"))

    def extend(self, ends_at: float) -> None:
        now = time.monotonic()
        self.ends_at = ends_at
        self.renew_at = now + max(_SHORTEST_WAIT, (ends_at - self.offset - now) * _RENEW_AFTER)
        self.backoff.reset()


class WorkloadSession:
    """Reads secrets as a workload. It logs in when it is first needed, and again when its session has ended.

    A thread renews the session, with the token that the file then has, and the leases of the secrets that were read.
    All methods may be called from several threads.
    """

    def __init__(
        self,
        url: str,
        *,
        cluster: str,
        token_file: str | None = None,
        token: Callable[[], str] | None = None,
        ca_file: str | None = None,
        cert_file: str | None = None,
        key_file: str | None = None,
        allow_plaintext: bool = False,
        timeout: float = 30.0,
        deadline: float = 60.0,
        user_agent: str | None = None,
    ) -> None:
        # Before the first check: a program that reports its error prints this object too.
        self._cluster = cluster
        self._opened: OpenedSession | None = None
        address = parse_broker_url(url, allow_plaintext)
        if not address.is_tls and (ca_file, cert_file, key_file) != (None, None, None):
            raise InputError("ca_file, cert_file and key_file need a URL that begins with https://")
        if token_file is not None and token is not None:
            raise InputError("pass token_file or token, not both")
        if token_file is None and token is None and cert_file is None:
            raise InputError("pass token_file, token, or a certificate in cert_file and key_file")
        if not (timeout > 0 and deadline > 0):
            raise InputError("timeout and deadline must be over 0 seconds")
        if user_agent is not None and not (user_agent.isascii() and user_agent.isprintable()):
            raise InputError("user_agent must be printable ASCII")
        library = f"quaymaster-python/{__version__}"
        agent = library if user_agent is None else f"{user_agent} {library}"
        tls = TlsFiles(ca_file, cert_file, key_file) if address.is_tls else None
        self._token: Callable[[], Sensitive] | None = None
        if token_file is not None:
            self._token = token_from_file(token_file)
        elif token is not None:
            self._token = token_from(token)
        self._stopped = threading.Event()
        self._client = Client(Transport(address, tls, agent), Limits(timeout, deadline), self._stopped)
        self._process = os.getpid()
        # One login at a time: a hundred threads whose session has ended need one new session.
        self._login = threading.Lock()
        # Guards the fields below, and wakes the thread.
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._followings: set[Following] = set()
        self._failed: dict[str, str] = {}

    def __repr__(self) -> str:
        opened = self._opened
        return f"WorkloadSession(cluster={self._cluster!r}, id={None if opened is None else opened.id!r})"

    def __enter__(self) -> WorkloadSession:
        self.current()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def id(self) -> str:
        """Id of the present session, as in the broker's audit log. It logs in if there is none."""
        return self.current().id

    @property
    def ends_at(self) -> float:
        """Expiry of the present session by the broker's clock, in seconds since the epoch."""
        return self.current().ends_at

    def now(self) -> float:
        """The time by the broker's clock, in seconds since the epoch: compare it with `ends_at`."""
        return time.monotonic() + self.current().offset

    def read(self, path: str, version: str | None = None) -> Secret:
        """The current version of a secret, or the one that is named. Raises ApiError, UnreachableError, InputError."""
        target = secret_target(checked_path(path), checked_version(version))
        call = Call("readSecret", "GET", target, path)

        def read(opened: OpenedSession) -> Secret:
            secret = read_secret(self._client.call(call, opened.token), path)
            self._keep(opened, secret, version)
            return secret

        return self._as_session(read)

    def read_all(self, paths: Iterable[str]) -> Reads:
        """The current versions of up to 1,000 secrets, by one request. A refused path does not affect the others."""
        wanted = checked_paths(paths)
        if len(wanted) > _MOST_BATCH:
            raise InputError(f"{len(wanted)} paths are too many for one request; the most is {_MOST_BATCH}")
        call = Call("readSecrets", "POST", _BATCH, body=json_body({"items": [{"path": each} for each in wanted]}))

        def read(opened: OpenedSession) -> Reads:
            items = self._client.call(call, opened.token).documents("items")
            if len(items) != len(wanted):
                raise not_ours(200, "another number of items")
            secrets: dict[str, Secret] = {}
            failures: dict[str, ApiError] = {}
            for path, item in zip(wanted, items):
                if item.has("error"):
                    problem = item.document("error")
                    failures[path] = api_error(
                        Call("readSecrets", "POST", _BATCH, path), problem, problem.number("status")
                    )
                else:
                    secrets[path] = read_secret(item, path)
            for secret in secrets.values():
                self._keep(opened, secret, None)
            return Reads(secrets, failures)

        return self._as_session(read)

    def follow(self, paths: Iterable[str]) -> Following:
        """Iterates over each secret, then over each new version. It acknowledges a version when the loop asks for the next one.

        It resumes its event stream after an interruption, waits while the broker is unreachable, and raises ApiError if the broker
        refuses a path or a login.
        """
        self._check_usable()
        following = Following(self, checked_paths(paths))
        with self._changed:
            self._followings.add(following)
        return following

    def acknowledge(self, secret: Secret) -> None:
        """Reports that the program uses this version, so that the broker can revoke earlier ones. `follow` does so itself."""
        self._report({"path": secret.path, "version": secret.version}, secret.path)

    def report_failure(self, secret: Secret, reason: str) -> None:
        """Reports that this version does not work. `reason` is one word, such as `login_refused`; it must not contain the value."""
        with self._changed:
            self._failed[secret.path] = secret.version
        item = {"path": secret.path, "version": secret.version, "outcome": "failed", "reason": reason}
        self._report(item, secret.path)

    def has_failed(self, secret: Secret) -> bool:
        """True if `report_failure` was called for this version."""
        with self._changed:
            return self._failed.get(secret.path) == secret.version

    def close(self) -> None:
        """Ends the session at the broker, with its leases, and closes all connections. It raises no error."""
        if self._process != os.getpid():
            return
        with self._changed:
            if self._stopped.is_set():
                return
            self._stopped.set()
            opened, self._opened = self._opened, None
            thread, followings = self._thread, list(self._followings)
            self._changed.notify_all()
        for each in followings:
            each.close()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_CLOSE_SECONDS)
        if opened is not None:
            opened.leases.end_all()
            self._end(opened)
        self._client.close()

    def current(self) -> OpenedSession:
        """The present session; it logs in if there is none. For this package only."""
        self._check_usable()
        with self._login:
            opened = self._opened
            return self._log_in() if opened is None else opened

    def forget(self, gone: OpenedSession) -> None:
        """Notes that a session has ended. The next call logs in. For this package only."""
        with self._changed:
            if self._opened is gone:
                self._opened = None
            followings = list(self._followings)
        gone.leases.end_all()
        for each in followings:
            each.read_again()

    def open_events(self, opened: OpenedSession, last_event_id: str) -> EventStream:
        """Opens the event stream. For this package only."""
        return self._client.open_events(last_event_id, opened.token)

    def remove(self, following: Following) -> None:
        """Notes that a following was closed. For this package only."""
        with self._changed:
            self._followings.discard(following)

    def _check_usable(self) -> None:
        if self._process != os.getpid():
            raise ClosedError("the session belongs to the parent process; open one after the fork")
        if self._stopped.is_set():
            raise ClosedError("the session is closed")

    def _log_in(self) -> OpenedSession:
        call = Call("createSession", "POST", _LOGIN, body=self._with_token({"cluster": self._cluster}))
        opened = OpenedSession(self._client.call(call, None))
        with self._changed:
            if not self._stopped.is_set():
                self._opened = opened
                if self._thread is None:
                    self._thread = threading.Thread(target=self._maintain, name="quaymaster-renewal", daemon=True)
                    self._thread.start()
                self._changed.notify_all()
                return opened
        # Another thread closed this object during the login.
        self._end(opened)
        raise ClosedError("the session is closed")

    def _end(self, opened: OpenedSession) -> None:
        try:
            self._client.call(Call("endSession", "DELETE", _SELF), opened.token, _CLOSE_SECONDS)
        except QuaymasterError as error:
            _LOG.warning("the session could not be ended, and expires with its token: %s", error)

    def _with_token(self, fields: dict[str, object]) -> Sensitive:
        """A body with the pod's token, or without one for a login by certificate."""
        return json_body(fields if self._token is None else {**fields, "token": self._token().reveal()})

    def _as_session(self, call: Callable[[OpenedSession], T]) -> T:
        """Calls with the present session, and once more with a new one if that session has ended."""
        opened = self.current()
        try:
            return call(opened)
        except ApiError as error:
            if not _is_gone(error):
                raise
        self.forget(opened)
        return call(self.current())

    def _keep(self, opened: OpenedSession, secret: Secret, version: str | None) -> None:
        opened.leases.keep(secret, version)
        with self._changed:
            self._changed.notify_all()

    def _report(self, item: dict[str, str], path: str) -> None:
        call = Call("acknowledge", "POST", "/api/v1/acknowledgements", path, json_body({"items": [item]}))

        def report(opened: OpenedSession) -> None:
            for answer in self._client.call(call, opened.token).documents("items"):
                if answer.has("error"):
                    problem = answer.document("error")
                    raise api_error(call, problem, problem.number("status"))

        self._as_session(report)

    def _maintain(self) -> None:
        """Renews the session and its leases until `close`."""
        while True:
            with self._changed:
                opened = self._opened
                if not self._stopped.is_set():
                    self._changed.wait(_seconds_until_due(opened))
                if self._stopped.is_set():
                    return
                opened = self._opened
            if opened is None:
                continue
            try:
                self._renew_due(opened)
            except Exception as error:
                # The thread must survive every fault: without it the session and all leases would expire.
                _LOG.warning("a renewal failed: %s", type(error).__name__)
                self._stopped.wait(_SHORTEST_WAIT)

    def _renew_due(self, opened: OpenedSession) -> None:
        if opened.renew_at <= time.monotonic():
            self._renew_session(opened)
        for due in opened.leases.due():
            if self._opened is not opened or self._stopped.is_set():
                return
            self._renew_lease(opened, due)

    def _renew_session(self, opened: OpenedSession) -> None:
        retry_after = None
        try:
            call = Call("renewSession", "POST", _SELF + "/renew", body=self._with_token({}))
            opened.extend(self._client.call(call, opened.token, _RENEWAL_SECONDS).document("session").instant("endsAt"))
            return
        except ApiError as error:
            if _is_gone(error):
                self.forget(opened)
                return
            retry_after = error.retry_after
            _LOG.warning("the session was not renewed: %s", error)
        except (QuaymasterError, OSError) as error:
            _LOG.warning("the session was not renewed: %s", error)
        except Exception as error:
            # An error of the caller's function may contain anything.
            _LOG.warning("the session was not renewed, because the function `token` failed: %s", type(error).__name__)
        opened.renew_at = time.monotonic() + opened.backoff.next(retry_after)

    def _renew_lease(self, opened: OpenedSession, due: Due) -> None:
        path = due.key[0]
        call = Call("renewLease", "POST", f"/api/v1/leases/{due.lease.id}/renew", path, json_body({}))
        try:
            opened.leases.renewed(due, self._client.call(call, opened.token, _RENEWAL_SECONDS).instant("endsAt"))
            return
        except ApiError as error:
            if _is_gone(error):
                self.forget(opened)
                return
            failure: QuaymasterError = error
        except QuaymasterError as error:
            failure = error
        retry_after = failure.retry_after if isinstance(failure, ApiError) else None
        if is_temporary(failure) and opened.leases.postpone(due, retry_after):
            return
        _LOG.warning("the lease of %s was not renewed: %s", path, failure)
        opened.leases.drop(due)
        with self._changed:
            followings = list(self._followings)
        for each in followings:
            each.read_again(path)


def _seconds_until_due(opened: OpenedSession | None) -> float | None:
    if opened is None:
        return None
    lease_at = opened.leases.next_at()
    first = opened.renew_at if lease_at is None else min(opened.renew_at, lease_at)
    return min(max(0.0, first - time.monotonic()), _LONGEST_WAIT)


def _is_gone(error: ApiError) -> bool:
    """True if the session has ended: expired, revoked, or its pod is in quarantine."""
    return error.code == "ERR_UNAUTHENTICATED"


def _is_header(token: Sensitive) -> bool:
    """True for a token that cannot add a header of its own."""
    text = token.reveal()
    return 0 < len(text) <= _MOST_TOKEN and all("!" <= each <= "~" for each in text)
