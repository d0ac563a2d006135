"""Values that must not be printed by accident."""

from __future__ import annotations

import hmac
from typing import NoReturn

_PRINTED = "[sensitive]"


class Sensitive:
    """A text or bytes that only `reveal` and `reveal_bytes` return.

    `repr`, `str`, formatting, logging and tracebacks with local variables show `[sensitive]`. Pickling and JSON encoding fail.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str | bytes) -> None:
        self.__value = value

    @property
    def is_binary(self) -> bool:
        """True for a value that was stored as bytes."""
        return isinstance(self.__value, bytes)

    def reveal(self) -> str:
        """The text. Raises TypeError for a binary value."""
        if isinstance(self.__value, bytes):
            raise TypeError("the value is binary; use reveal_bytes()")
        return self.__value

    def reveal_bytes(self) -> bytes:
        """The bytes; those of a text are UTF-8."""
        return self.__value if isinstance(self.__value, bytes) else self.__value.encode("utf-8")

    def __repr__(self) -> str:
        return _PRINTED

    def __str__(self) -> str:
        return _PRINTED

    def __format__(self, spec: str) -> str:
        return _PRINTED

    def __eq__(self, other: object) -> bool:
        """Compares in constant time with another value of this class. A comparison with a plain text is false."""
        if not isinstance(other, Sensitive):
            return NotImplemented
        same_kind = self.is_binary == other.is_binary
        return same_kind and hmac.compare_digest(self.reveal_bytes(), other.reveal_bytes())

    # A hash table would show by its order which values are equal, and nothing needs one.
    __hash__ = None  # type: ignore[assignment]

    def __copy__(self) -> Sensitive:
        return self

    def __deepcopy__(self, memo: object) -> Sensitive:
        return self

    def __getstate__(self) -> NoReturn:
        # Since Python 3.11 every object has one, which serializers other than pickle call.
        raise TypeError("a sensitive value has no state that can be stored")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a sensitive value cannot be pickled; pickle its path and read it again")
