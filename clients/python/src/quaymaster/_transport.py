"""HTTP/1.1 to one broker: no redirects, no proxies, no decompression, bounded answers, one deadline for each attempt."""

from __future__ import annotations

import http.client
import io
import os
import socket
import ssl
import threading
import time
from typing import Any, NamedTuple, cast

from ._broker_url import BrokerUrl
from ._document import Body, not_ours
from ._errors import ClosedError, UnreachableError
from ._sensitive import Sensitive
from ._tls import TlsFiles

_MOST_BYTES = 32 * 1024 * 1024
_MOST_PROBLEM_BYTES = 256 * 1024
_CHUNK_BYTES = 65_536
# Below the keep-alive of common servers (60 s), so that no server closes a connection during a request.
_IDLE_SECONDS = 30.0
# Three times the broker's heartbeat of 15 seconds.
SILENCE_SECONDS = 45.0


class Request(NamedTuple):
    """A request without its credential. `body` is sensitive, because a login contains a token."""

    method: str
    target: str
    accept: str = "application/json"
    body: Sensitive | None = None
    last_event_id: str | None = None


class Answer(NamedTuple):
    status: int
    media: str
    retry_after: int | None
    body: Body


class _TimedReader(io.RawIOBase):
    """Reads a socket within a deadline, however slowly the server sends. A socket's own timeout is for each read."""

    def __init__(self, sock: _TimedSocket) -> None:
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._sock.receive(buffer)

    def close(self) -> None:
        super().close()
        self._sock.reader_closed()


class _TimedSocket:
    """The parts of a socket that http.client uses once it is connected."""

    def __init__(self, sock: socket.socket, limit: _Limit) -> None:
        self._sock = sock
        self._limit = limit
        self._reader: _TimedReader | None = None
        self._closing = False

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(self._limit.remaining())
        self._sock.sendall(data)

    def receive(self, buffer: Any) -> int:
        self._sock.settimeout(self._limit.remaining())
        return self._sock.recv_into(buffer)

    def makefile(self, mode: str) -> io.BufferedReader:
        self._reader = _TimedReader(self)
        return io.BufferedReader(self._reader)

    def close(self) -> None:
        """Closes the socket after its reader: http.client closes a connection that is not kept before it reads the answer."""
        self._closing = True
        if self._reader is None:
            self._sock.close()

    def reader_closed(self) -> None:
        self._reader = None
        if self._closing:
            self._sock.close()

    def interrupt(self) -> None:
        """Ends a read in another thread. `SSLSocket.shutdown` would first take away its TLS state."""
        try:
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)
        except OSError:
            pass


class _Limit:
    """Time limit of a connection: a deadline for a request, then, for an event stream, a limit for each read."""

    def __init__(self) -> None:
        self.deadline: float | None = None

    def remaining(self) -> float:
        if self.deadline is None:
            return SILENCE_SECONDS
        seconds = self.deadline - time.monotonic()
        if seconds <= 0:
            raise socket.timeout("deadline")
        return seconds


class _Connection(http.client.HTTPConnection):
    """One connection, in plain text or with the TLS context of its handshake."""

    # Programs set it on the base class, and would then print the headers of our requests, with the token.
    debuglevel = 0

    def __init__(self, url: BrokerUrl, context: ssl.SSLContext | None) -> None:
        super().__init__(url.host, url.port)
        self.default_port = 443 if url.is_tls else 80
        self.context = context
        self.limit = _Limit()
        self._opened: _TimedSocket | None = None
        self.idle_since = 0.0

    def connect(self) -> None:
        sock = socket.create_connection((self.host, self.port), timeout=self.limit.remaining())
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.context is not None:
                sock.settimeout(self.limit.remaining())
                sock = self.context.wrap_socket(sock, server_hostname=self.host)
        except BaseException:
            sock.close()
            raise
        self._opened = _TimedSocket(sock, self.limit)
        self.sock = cast(socket.socket, self._opened)

    def opened(self) -> _TimedSocket:
        """The socket, which http.client forgets before it reads an answer after which the connection is not kept."""
        assert self._opened is not None
        return self._opened


class EventStream:
    """An open event stream. `interrupt` may be called from another thread."""

    def __init__(self, connection: _Connection, response: http.client.HTTPResponse) -> None:
        self._connection = connection
        self._socket = connection.opened()
        self._response = response

    def read(self) -> bytes:
        """The next bytes, empty at the end. Raises UnreachableError."""
        try:
            return self._response.read1(_CHUNK_BYTES)
        except Exception as error:
            failure = _failure(error)
        if failure.reason == "timeout":
            failure = UnreachableError(f"the event stream was silent for {SILENCE_SECONDS:.0f} s", reason="silent")
        raise failure

    def interrupt(self) -> None:
        self._socket.interrupt()

    def close(self) -> None:
        self._response.close()
        self._socket.close()
        self._connection.close()


class Transport:
    """Connections to one broker, which all threads of this process share."""

    def __init__(self, url: BrokerUrl, tls: TlsFiles | None, user_agent: str) -> None:
        self._url = url
        self._tls = tls
        self._user_agent = user_agent
        self._lock = threading.Lock()
        self._idle: list[_Connection] = []
        self._process = os.getpid()
        self._closed = False

    def send(self, request: Request, token: Sensitive | None, seconds: float) -> Answer:
        """The complete answer, whatever its status. Raises UnreachableError.

        It is raised here, where no local variable has the token or the answer in plain text.
        """
        result = self._exchange(request, token, seconds)
        if isinstance(result, Exception):
            raise result
        return result

    def open_events(self, request: Request, token: Sensitive | None, seconds: float) -> EventStream | Answer:
        """An event stream, or the complete answer if it is none. Raises UnreachableError."""
        result = self._open(request, token, seconds)
        if isinstance(result, Exception):
            raise result
        return result

    def close(self) -> None:
        with self._lock:
            self._closed = True
        self._drop_idle()

    def _exchange(self, request: Request, token: Sensitive | None, seconds: float) -> Answer | Exception:
        try:
            connection, response = self._begin(request, token, seconds)
        except Exception as error:
            return error if isinstance(error, ClosedError) else _failure(error)
        answer = _read(response)
        if isinstance(answer, Exception) or response.will_close or not response.isclosed():
            response.close()
            connection.close()
        else:
            self._give_back(connection)
        return answer

    def _open(self, request: Request, token: Sensitive | None, seconds: float) -> EventStream | Answer | Exception:
        try:
            connection, response = self._begin(request, token, seconds)
        except Exception as error:
            return error if isinstance(error, ClosedError) else _failure(error)
        if response.status == 200 and _media(response) == "text/event-stream" and not _is_encoded(response):
            connection.limit.deadline = None
            return EventStream(connection, response)
        answer = _read(response)
        response.close()
        connection.close()
        return answer

    def _begin(
        self, request: Request, token: Sensitive | None, seconds: float
    ) -> tuple[_Connection, http.client.HTTPResponse]:
        """Sends a request and reads the head of the answer."""
        connection = self._take()
        try:
            connection.limit.deadline = time.monotonic() + seconds
            if connection.sock is None:
                _connect(connection)
            body = None if request.body is None else request.body.reveal_bytes()
            connection.request(request.method, request.target, body, self._headers(request, token))
            return connection, connection.getresponse()
        except BaseException:
            connection.close()
            # A broker that restarts closes all of them: each retry would find another one that is dead.
            self._drop_idle()
            raise

    def _drop_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for each in idle:
            each.close()

    def _headers(self, request: Request, token: Sensitive | None) -> dict[str, str]:
        headers = {"Accept": request.accept, "Accept-Encoding": "identity", "User-Agent": self._user_agent}
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        if request.last_event_id is not None:
            headers["Last-Event-ID"] = request.last_event_id
        if token is not None:
            headers["Authorization"] = "Bearer " + token.reveal()
        return headers

    def _take(self) -> _Connection:
        """An idle connection, or a new one if none has the present certificates."""
        context = None if self._tls is None else self._tls.context()
        now = time.monotonic()
        with self._lock:
            if self._closed:
                raise ClosedError("the session is closed")
            if self._process != os.getpid():
                # After a fork two processes would write to the same connection.
                self._process, self._idle = os.getpid(), []
            kept = [each for each in self._idle if each.context is context and now - each.idle_since < _IDLE_SECONDS]
            dropped = [each for each in self._idle if each not in kept]
            taken = kept.pop() if kept else None
            self._idle = kept
        for each in dropped:
            each.close()
        return _Connection(self._url, context) if taken is None else taken

    def _give_back(self, connection: _Connection) -> None:
        connection.idle_since = time.monotonic()
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()


class _NotConnected(Exception):
    """Nothing was sent. `cause` is the error of the connection."""

    def __init__(self, cause: Exception) -> None:
        super().__init__()
        self.cause = cause


def _connect(connection: _Connection) -> None:
    try:
        connection.connect()
    except ssl.SSLError:
        raise
    except (OSError, ValueError) as error:
        raise _NotConnected(error) from None


def _read(response: http.client.HTTPResponse) -> Answer | UnreachableError:
    """The answer, or an error that has no traceback: it would have the local variables of this function."""
    status, media = response.status, _media(response)
    if 300 <= status < 400:
        return not_ours(status, "a redirect, which is not followed")
    if _is_encoded(response):
        return not_ours(status, "a compressed response")
    most = _MOST_BYTES if status < 300 else _MOST_PROBLEM_BYTES
    expected = response.length
    data = bytearray()
    try:
        while len(data) <= most:
            chunk = response.read1(_CHUNK_BYTES)
            if not chunk:
                break
            data += chunk
    except Exception as error:
        return _failure(error)
    if len(data) > most:
        return UnreachableError(f"the response has over {most} bytes", reason="too_large", status=status)
    # http.client reports a missing end only for some ways to read.
    if expected is not None and len(data) != expected:
        return UnreachableError("the response was cut off", reason="cut_off")
    # http.client closes the response only when it reads past the end.
    response.close()
    return Answer(status, media, _retry_after(response), Body(bytes(data)))


def _media(response: http.client.HTTPResponse) -> str:
    return response.headers.get("Content-Type", "").split(";", 1)[0].strip().lower()


def _is_encoded(response: http.client.HTTPResponse) -> bool:
    return response.headers.get("Content-Encoding", "identity").strip().lower() != "identity"


def _retry_after(response: http.client.HTTPResponse) -> int | None:
    """Whole seconds (RFC 9110, section 10.2.3). The broker sends no dates."""
    text = response.headers.get("Retry-After", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _failure(error: Exception) -> UnreachableError:
    """An error of this package for one of Python's, with only the name of its class: some quote received data."""
    if isinstance(error, UnreachableError):
        return error
    cause = error.cause if isinstance(error, _NotConnected) else error
    name = type(cause).__name__
    if isinstance(cause, ssl.SSLError) and not isinstance(cause, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        if not isinstance(cause, socket.timeout) and cause.reason is not None:
            return UnreachableError(f"TLS: {cause.reason}", reason="tls")
    if isinstance(error, _NotConnected):
        return UnreachableError(f"no connection: {name}", reason="no_connection")
    if isinstance(cause, socket.timeout):
        return UnreachableError("no complete response within the time limit", reason="timeout")
    if isinstance(cause, (http.client.IncompleteRead, OSError)):
        return UnreachableError(f"the connection was cut off: {name}", reason="cut_off")
    return UnreachableError(f"the response is not HTTP: {name}", reason="not_ours")
