"""Secrets as the broker discloses them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from ._document import Document, not_ours
from ._errors import ApiError, InputError
from ._sensitive import Sensitive

_PATH = re.compile(r"[A-Za-z0-9._+=@-]+(?:/[A-Za-z0-9._+=@-]+){0,15}", re.ASCII)
_MOST_PATH = 512
_MOST_VERSION = 128


class Lease:
    """The right to keep a value. The session renews it in the background until the broker ends it."""

    def __init__(self, lease_id: str, ends_at: float) -> None:
        self.id = lease_id
        self._ends_at = ends_at
        self._is_live = True

    @property
    def ends_at(self) -> float:
        """Expiry by the broker's clock, in seconds since the epoch. A renewal moves it."""
        return self._ends_at

    @property
    def is_live(self) -> bool:
        """False after the session has learnt that the lease has ended: then read the secret again."""
        return self._is_live

    def extend(self, ends_at: float) -> None:
        """Records a renewal. For the session only."""
        self._ends_at = max(self._ends_at, ends_at)

    def end(self) -> None:
        """Records the end. For the session only."""
        self._is_live = False

    def __repr__(self) -> str:
        return f"Lease(id={self.id!r}, ends_at={self._ends_at}, is_live={self._is_live})"


class Secret:
    """One version of a secret. `secret["password"].reveal()` returns a value."""

    def __init__(self, path: str, version: str, data: Mapping[str, Sensitive], lease: Lease | None) -> None:
        self.path = path
        self.version = version
        self.data: Mapping[str, Sensitive] = MappingProxyType(dict(data))
        # Absent only if the broker grants none.
        self.lease = lease
        # True if the backend does not answer, and this is its last known value.
        self.is_stale = False
        # What posture profiles in the mode `warn` found at the pod.
        self.warning: str | None = None

    def __getitem__(self, key: str) -> Sensitive:
        return self.data[key]

    def __contains__(self, key: object) -> bool:
        return key in self.data

    def __iter__(self) -> Iterator[str]:
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        return f"Secret(path={self.path!r}, version={self.version!r}, keys={list(self.data)!r})"


class Reads:
    """The results of `read_all`. `reads[path]` returns the secret, or raises the broker's refusal of that path."""

    def __init__(self, secrets: Mapping[str, Secret], failures: Mapping[str, ApiError]) -> None:
        self.secrets: Mapping[str, Secret] = MappingProxyType(dict(secrets))
        self.failures: Mapping[str, ApiError] = MappingProxyType(dict(failures))

    def __getitem__(self, path: str) -> Secret:
        if path in self.failures:
            raise self.failures[path]
        return self.secrets[path]

    def __repr__(self) -> str:
        return f"Reads(secrets={list(self.secrets)!r}, failures={list(self.failures)!r})"


def checked_path(path: str) -> str:
    """Raises InputError for a path that could change which operation is called."""
    segments = path.split("/")
    if len(path) > _MOST_PATH or _PATH.fullmatch(path) is None or "." in segments or ".." in segments:
        raise InputError(
            "the path is invalid: it has 1 to 16 segments of letters, digits and ._+=@- with one slash between them"
        )
    return path


def checked_paths(paths: object) -> list[str]:
    """Each path once, in order. Raises InputError, also for a single text, whose letters would be paths."""
    if isinstance(paths, str) or not hasattr(paths, "__iter__"):
        raise InputError("pass a list of paths")
    found = list(dict.fromkeys(checked_path(each) for each in paths))
    if not found:
        raise InputError("pass at least one path")
    return found


def checked_version(version: str | None) -> str | None:
    if version is None or (version.isprintable() and 0 < len(version) <= _MOST_VERSION):
        return version
    raise InputError(f"a version has 1 to {_MOST_VERSION} printable characters")


def read_secret(document: Document, path: str, status: int = 200) -> Secret:
    """The secret of an answer. Raises UnreachableError if it is another path's: a value must not reach the wrong place."""
    if document.text("path") != path:
        raise not_ours(status, "a secret of another path")
    lease: Lease | None = None
    if document.has("lease"):
        right = document.document("lease")
        lease = Lease(right.text("id"), right.instant("endsAt"))
    secret = Secret(path, document.text("version"), document.values("data"), lease)
    secret.is_stale = document.has("stale")
    secret.warning = document.optional_text("warning")
    return secret
