"""Follows secrets: reads them, and reads them again when the broker reports a change."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from ._client import Backoff
from ._errors import ApiError, ClosedError, QuaymasterError, UnreachableError, is_temporary
from ._events import Event, EventParser
from ._secret import Secret
from ._transport import EventStream

if TYPE_CHECKING:
    from ._session import OpenedSession, WorkloadSession

_LOG = logging.getLogger("quaymaster")
# When a broker stops, all its streams end at once; random pauses keep its clients from returning together.
_FIRST_PAUSE = 5.0
_LONGEST_PAUSE = 60.0
_JOIN_SECONDS = 1.0


class Following:
    """One use of `WorkloadSession.follow`: iterate over it once. `close`, from any thread, ends the loop."""

    def __init__(self, session: WorkloadSession, paths: list[str]) -> None:
        self._session = session
        self._paths = paths
        self._changed = threading.Condition()
        # Paths that must be read, each once, in the order in which they became due.
        self._due: dict[str, None] = dict.fromkeys(paths)
        self._failure: BaseException | None = None
        self._closed = False
        self._stream: EventStream | None = None
        self._opened: OpenedSession | None = None
        self._last_event_id = ""
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Following:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Secret]:
        self._start()
        versions: dict[str, str] = {}
        backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        try:
            while True:
                secret = self._read_next(backoff)
                if secret is None:
                    return
                if versions.get(secret.path) == secret.version:
                    continue
                versions[secret.path] = secret.version
                yield secret
                self._acknowledge(secret)
        finally:
            self.close()

    def close(self) -> None:
        """Ends the loop, also while it waits."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            stream, thread = self._stream, self._thread
            self._changed.notify_all()
        if stream is not None:
            stream.interrupt()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_JOIN_SECONDS)
        self._session.remove(self)

    def read_again(self, *paths: str) -> None:
        """Makes paths due, all without an argument. For this package only."""
        with self._changed:
            self._due.update(dict.fromkeys(each for each in paths or self._paths if each in self._paths))
            self._changed.notify_all()

    def _start(self) -> None:
        with self._changed:
            if self._thread is not None or self._closed:
                raise ClosedError("iterate over a following once; call follow again")
            self._thread = threading.Thread(target=self._listen, name="quaymaster-events", daemon=True)
            self._thread.start()

    def _read_next(self, backoff: Backoff) -> Secret | None:
        """The secret at the next path that is due. It waits while the broker is unreachable. None after `close`."""
        while True:
            path = self._next_due()
            if path is None:
                return None
            try:
                secret = self._session.read(path)
                backoff.reset()
                return secret
            except ClosedError:
                return None
            except (ApiError, UnreachableError) as error:
                if not is_temporary(error):
                    raise
                pause = backoff.next(error.retry_after if isinstance(error, ApiError) else None)
                _LOG.warning("%s cannot be read at present: %s", path, error)
            self._pause(pause)
            self.read_again(path)

    def _next_due(self) -> str | None:
        with self._changed:
            while True:
                if self._closed:
                    return None
                if self._failure is not None:
                    raise self._failure
                if self._due:
                    path = next(iter(self._due))
                    del self._due[path]
                    return path
                self._changed.wait()

    def _acknowledge(self, secret: Secret) -> None:
        """The broker can then revoke the version before at once. Otherwise it waits until that version's lease expires."""
        if secret.lease is None or not secret.lease.is_live or self._session.has_failed(secret):
            return
        try:
            self._session.acknowledge(secret)
        except QuaymasterError as error:
            _LOG.warning("version %s of %s was not acknowledged: %s", secret.version, secret.path, error)

    def _listen(self) -> None:
        """Makes paths due when the broker reports a change. The stream resumes after the last event, so none is missed."""
        backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        while not self._closed:
            retry_after = None
            try:
                self._listen_once(self._present_session(), backoff)
            except ClosedError:
                return
            except Exception as error:
                if self._closed:
                    return
                if not (isinstance(error, QuaymasterError) and is_temporary(error)):
                    self._fail(error)
                    return
                retry_after = error.retry_after if isinstance(error, ApiError) else None
                _LOG.warning("the event stream is interrupted: %s", error)
            self._pause(backoff.next(retry_after))

    def _present_session(self) -> OpenedSession:
        opened = self._session.current()
        if opened is not self._opened:
            if self._opened is not None:
                # The former session's events do not continue in this one.
                self.read_again()
            self._opened, self._last_event_id = opened, opened.event_id
        return opened

    def _listen_once(self, opened: OpenedSession, backoff: Backoff) -> None:
        try:
            stream = self._session.open_events(opened, self._last_event_id)
        except ApiError as error:
            if error.code != "ERR_UNAUTHENTICATED":
                raise
            self._session.forget(opened)
            return
        with self._changed:
            self._stream = stream
            closed = self._closed
        try:
            parser = EventParser()
            while not closed:
                piece = stream.read()
                for event in parser.push(piece):
                    backoff.reset()
                    self._take(opened, event)
                closed = self._closed or not piece
        finally:
            with self._changed:
                self._stream = None
            stream.close()

    def _take(self, opened: OpenedSession, event: Event) -> None:
        self._last_event_id = event.id
        if event.name == "secret.changed":
            self.read_again(event.path)
        elif event.name == "session.ended":
            self._session.forget(opened)
        elif event.name != "ready":
            self.read_again()

    def _fail(self, error: Exception) -> None:
        with self._changed:
            self._failure = error
            self._changed.notify_all()

    def _pause(self, seconds: float) -> None:
        """Ends early when the following is closed or fails."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._failure is not None, seconds)
