"""The token with which a workload logs in."""

from __future__ import annotations

import re
from typing import Callable

from ._errors import InputError
from ._sensitive import Sensitive

_TOKEN = re.compile(r"[!-~]{1,16384}", re.ASCII)
_MOST_BYTES = 65_536


def token_from_file(path: str) -> Callable[[], Sensitive]:
    """A function that reads the file each time: the kubelet replaces it long before its token expires."""

    def read() -> Sensitive:
        with open(path, "rb") as file:
            found = _checked(file.read(_MOST_BYTES))
        if found is None:
            raise InputError("the token file is empty or contains invalid characters")
        return found

    return read


def token_from(function: Callable[[], str]) -> Callable[[], Sensitive]:
    def read() -> Sensitive:
        found = _checked(function().encode("utf-8", "replace"))
        if found is None:
            raise InputError("the token is empty or contains invalid characters")
        return found

    return read


def _checked(data: bytes) -> Sensitive | None:
    text = data.decode("utf-8", "replace").strip()
    return Sensitive(text) if _TOKEN.fullmatch(text) else None
