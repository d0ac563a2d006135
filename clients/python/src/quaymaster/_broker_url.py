"""The address of a broker."""

from __future__ import annotations

import re
from typing import NamedTuple

from ._errors import InputError

_URL = re.compile(r"(https?)://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?/?", re.ASCII)
_LOOPBACK = re.compile(r"localhost|127(?:\.[0-9]{1,3}){3}|\[::1\]", re.ASCII)


class BrokerUrl(NamedTuple):
    """Scheme, host and port, and nothing else."""

    is_tls: bool
    host: str
    port: int


def parse_broker_url(text: str, allow_plaintext: bool) -> BrokerUrl:
    """Raises InputError, without the URL, which may contain a password.

    Without TLS every network on the way could read the secrets, so `http://` is for loopback, or explicitly allowed.
    """
    match = _URL.fullmatch(text)
    if match is None:
        raise InputError("the URL of the broker must be https://HOST or https://HOST:PORT")
    scheme, host, port = match.groups()
    is_tls = scheme == "https"
    if not is_tls and not allow_plaintext and _LOOPBACK.fullmatch(host) is None:
        raise InputError("the URL of the broker must be https://, except on loopback")
    number = int(port) if port else (443 if is_tls else 80)
    if not 0 < number < 65_536:
        raise InputError("the port in the URL of the broker must be 1 to 65535")
    return BrokerUrl(is_tls, host.strip("[]"), number)
