"""TLS of a connection, with files that may be replaced while the program runs."""

from __future__ import annotations

import os
import ssl
import threading

from ._errors import InputError, UnreachableError


class TlsFiles:
    """Makes a context from the files, and another one when a file was replaced, as the kubelet and cert-manager do."""

    def __init__(self, ca_file: str | None, cert_file: str | None, key_file: str | None) -> None:
        if (cert_file is None) != (key_file is None):
            raise InputError("cert_file and key_file belong together: pass both or none")
        self._ca_file = ca_file
        self._cert_file = cert_file
        self._key_file = key_file
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        self._state: tuple[object, ...] = ()

    def context(self) -> ssl.SSLContext:
        """The context of the present files. Raises UnreachableError (`tls`) for a file that cannot be used."""
        with self._lock:
            try:
                state = tuple(_state(each) for each in (self._ca_file, self._cert_file, self._key_file))
                if self._context is None or state != self._state:
                    self._context, self._state = self._load(), state
                return self._context
            except (OSError, ValueError) as error:
                name = type(error).__name__
        raise UnreachableError(f"a CA or certificate file cannot be used: {name}", reason="tls")

    def _load(self) -> ssl.SSLContext:
        # ssl.create_default_context would write the keys of all connections to the file that SSLKEYLOGFILE names.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        if self._ca_file is None:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        else:
            context.load_verify_locations(cafile=self._ca_file)
        if self._cert_file is not None:
            # Without a password, OpenSSL would ask for one on the terminal.
            context.load_cert_chain(self._cert_file, self._key_file, password=lambda: b"")
        return context


def _state(path: str | None) -> object:
    if path is None:
        return None
    found = os.stat(path)
    return (found.st_ino, found.st_size, found.st_mtime_ns)
