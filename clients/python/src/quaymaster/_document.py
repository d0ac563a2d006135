"""Reads JSON documents strictly, without showing their content in a traceback.

Programs that report errors print the local variables of each frame. So no function here raises an error while a local variable of
its own or of its callers has a value of the document; `Body` and `Document` print nothing of theirs.
"""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime
from typing import Any, NoReturn

from ._errors import UnreachableError
from ._sensitive import Sensitive

_MOST_DIGITS = 18


class Body:
    """Received bytes that `repr` does not show."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __repr__(self) -> str:
        return "<body>"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which every key is there once: readers disagree which of two wins."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found


def _integer(text: str) -> int:
    """A number of bounded length: the time to parse it grows with the square of its digits."""
    if len(text) > _MOST_DIGITS:
        raise ValueError("long number")
    return int(text)


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError("not a number of JSON")


def _decoded(body: Body) -> Any:
    try:
        # A lone surrogate is not a character: no program can write it to a file or a connection.
        return json.loads(
            body.data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_constant=_refuse_constant,
        )
    except (ValueError, RecursionError):
        return None


class Document:
    """A JSON object whose fields are read with a check of their type. Every mismatch is an `UnreachableError` `not_ours`."""

    __slots__ = ("_fields", "_status")

    def __init__(self, fields: Any, status: int) -> None:
        self._fields: dict[str, Any] = fields if isinstance(fields, dict) else {}
        self._status = status

    def __repr__(self) -> str:
        return "<document>"

    def has(self, name: str) -> bool:
        return name in self._fields

    def text(self, name: str) -> str:
        if not _is_text(self._fields.get(name)):
            self._fail()
        found: str = self._fields[name]
        return found

    def optional_text(self, name: str) -> str | None:
        return self.text(name) if self.has(name) else None

    def number(self, name: str) -> int:
        """A whole number."""
        if type(self._fields.get(name)) is not int:
            self._fail()
        found: int = self._fields[name]
        return found

    def instant(self, name: str) -> float:
        """A time in seconds since the epoch."""
        found = _seconds(self._fields.get(name))
        if found is None:
            self._fail()
        return found

    def document(self, name: str) -> Document:
        if not isinstance(self._fields.get(name), dict):
            self._fail()
        return Document(self._fields[name], self._status)

    def documents(self, name: str) -> list[Document]:
        if not _are_objects(self._fields.get(name)):
            self._fail()
        return [Document(fields, self._status) for fields in self._fields[name]]

    def sensitive(self, name: str) -> Sensitive:
        return Sensitive(self.text(name))

    def values(self, name: str) -> dict[str, Sensitive]:
        """The keys and values of a secret."""
        found = _values(self._fields.get(name))
        if found is None:
            self._fail()
        return found

    def _fail(self) -> NoReturn:
        raise not_ours(self._status)


def not_ours(status: int, what: str = "a response that is not the API of a broker") -> UnreachableError:
    return UnreachableError(
        f"the URL of the broker returns status {status} with {what}", reason="not_ours", status=status
    )


def parse_document(body: Body, status: int) -> Document:
    """The object of a JSON text. Raises UnreachableError for any other text, duplicate keys included."""
    document = Document(_decoded(body), status)
    if document._fields == {}:
        raise not_ours(status)
    return document


def _is_text(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _are_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _seconds(value: object) -> float | None:
    if not isinstance(value, str) or not value.endswith("Z"):
        return None
    try:
        # Python 3.9 does not know the letter Z.
        return datetime.fromisoformat(value[:-1] + "+00:00").timestamp()
    except (ValueError, OverflowError):
        return None


def _values(value: object) -> dict[str, Sensitive] | None:
    if not isinstance(value, dict):
        return None
    found = {key: _value(each) for key, each in value.items() if _is_text(key)}
    values = {key: Sensitive(each) for key, each in found.items() if each is not None}
    return values if len(values) == len(value) else None


def _value(value: Any) -> str | bytes | None:
    """A text, or the bytes of `{"base64": …}`."""
    if isinstance(value, str):
        return value if _is_text(value) else None
    if not isinstance(value, dict) or list(value) != ["base64"] or not isinstance(value["base64"], str):
        return None
    try:
        return base64.b64decode(value["base64"], validate=True)
    except (binascii.Error, ValueError):
        return None
