"""Server-sent events (WHATWG HTML, "Server-sent events")."""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

from ._document import Body, not_ours, parse_document
from ._errors import UnreachableError

# The broker's events have about 100 bytes.
_MOST_CHARACTERS = 65_536
_LINE_END = re.compile(r"\r\n|\r|\n")
_WITHOUT_DATA = frozenset(["ready", "reset", "leases.changed", "session.ended"])


class Event(NamedTuple):
    """An event of the broker; docs/api.md explains each. `path` is set for `secret.changed` only."""

    id: str
    name: str
    path: str


class EventParser:
    """Parses events from pieces with arbitrary boundaries."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""
        self._is_first = True
        self._id = ""
        self._name = ""
        self._data: list[str] = []
        self._held = 0

    def push(self, piece: bytes) -> list[Event]:
        """The known events that end in this piece. Raises UnreachableError for an event that is too long or invalid."""
        text = self._rest + self._decoder.decode(piece)
        # A final carriage return may be the first half of a line end.
        whole = text[:-1] if text.endswith("\r") else text
        lines = _LINE_END.split(whole)
        self._rest = lines.pop() + text[len(whole) :]
        events = [event for line in lines for event in self._take(line)]
        if len(self._rest) + self._held > _MOST_CHARACTERS:
            raise UnreachableError("an event is too long", reason="too_large")
        return events

    def _take(self, line: str) -> list[Event]:
        if self._is_first:
            self._is_first = False
            line = line[1:] if line.startswith("\ufeff") else line
        if line == "":
            return self._dispatch()
        name, _, value = line.partition(":")
        self._field(name, value[1:] if value.startswith(" ") else value)
        return []

    def _field(self, name: str, value: str) -> None:
        if name == "event":
            self._name = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "data":
            self._data.append(value)
            # The line end counts too, because empty lines of data are kept as well.
            self._held += len(value) + 1

    def _dispatch(self) -> list[Event]:
        name, data, is_one = self._name, "\n".join(self._data), bool(self._data)
        self._name, self._data, self._held = "", [], 0
        if not is_one:
            return []
        if not (self._id.isascii() and self._id.isdigit() and len(self._id) <= 16):
            raise not_ours(200, "an event without a position")
        if name == "secret.changed":
            return [Event(self._id, name, parse_document(Body(data.encode("utf-8")), 200).text("path"))]
        # Kinds of later brokers are skipped.
        return [Event(self._id, name, "")] if name in _WITHOUT_DATA else []
