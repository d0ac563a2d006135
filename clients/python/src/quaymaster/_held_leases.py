"""The leases of one session, and when each is renewed."""

from __future__ import annotations

import threading
import time
from typing import NamedTuple, Optional

from ._client import Backoff
from ._secret import Lease, Secret

_RENEW_AFTER = 2 / 3
_SHORTEST_WAIT = 1.0
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0

# A path, and the version if the caller named one.
Key = tuple[str, Optional[str]]


class _Held:
    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        self.renew_at = 0.0


class Due(NamedTuple):
    key: Key
    lease: Lease


class HeldLeases:
    """Keeps one lease for each path, the latest. `offset` is the broker's clock minus the monotonic clock of this process."""

    def __init__(self, offset: float) -> None:
        self._offset = offset
        self._lock = threading.Lock()
        self._held: dict[Key, _Held] = {}

    def keep(self, secret: Secret, version: str | None) -> None:
        """Renews the lease of the secret from now on. Reads under one lease share its object."""
        lease = secret.lease
        if lease is None:
            return
        with self._lock:
            held = self._held.get((secret.path, version))
            if held is None or held.lease.id != lease.id:
                if held is not None:
                    held.lease.end()
                held = self._held[(secret.path, version)] = _Held(lease)
            held.lease.extend(lease.ends_at)
            secret.lease = held.lease
            self._schedule(held)

    def next_at(self) -> float | None:
        with self._lock:
            return min((each.renew_at for each in self._held.values()), default=None)

    def due(self) -> list[Due]:
        now = time.monotonic()
        with self._lock:
            return [Due(key, held.lease) for key, held in self._held.items() if held.renew_at <= now]

    def renewed(self, due: Due, ends_at: float) -> None:
        with self._lock:
            due.lease.extend(ends_at)
            held = self._held.get(due.key)
            if held is not None and held.lease is due.lease:
                held.backoff.reset()
                self._schedule(held)

    def postpone(self, due: Due, retry_after: int | None) -> bool:
        """Retries later. False if the lease expires before that."""
        with self._lock:
            held = self._held.get(due.key)
            if held is None or held.lease is not due.lease:
                return True
            held.renew_at = time.monotonic() + held.backoff.next(retry_after)
            return held.renew_at < due.lease.ends_at - self._offset

    def drop(self, due: Due) -> None:
        with self._lock:
            due.lease.end()
            held = self._held.get(due.key)
            if held is not None and held.lease is due.lease:
                del self._held[due.key]

    def end_all(self) -> None:
        with self._lock:
            for each in self._held.values():
                each.lease.end()
            self._held.clear()

    def _schedule(self, held: _Held) -> None:
        now = time.monotonic()
        left = held.lease.ends_at - self._offset - now
        held.renew_at = now + max(_SHORTEST_WAIT, left * _RENEW_AFTER)
