"""Which addresses weights may come from: https anywhere, plain http on this machine alone."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from segtile.errors import ModelError


def check_address(url: str, came_from: str | None = None) -> None:
    """Refuse an address that weights must not be fetched from.

    Args:
        url: the address, absolute.
        came_from: the address that redirected here. From the network nothing leads to this machine itself.

    Raises:
        ModelError: its scheme is not https (http is for this machine alone), it names no host, carries a password, or
            leads from the network to this machine.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError as error:
        raise ModelError(f"'{url}' is no address: {error}") from None
    where = f"{came_from} leads to '{url}'" if came_from else f"'{url}'"
    if parts.scheme not in ("https", "http") or not host:
        raise ModelError(f"{where}: weights come over https alone")
    if parts.username or parts.password:
        raise ModelError(f"{where}, which carries a user name or password: put none into addresses")
    if parts.scheme == "http" and not is_loopback(host):
        raise ModelError(f"{where}: weights come over https alone, plain http is for this machine itself")
    if came_from and is_loopback(host) and not is_loopback(urlsplit(came_from).hostname or ""):
        raise ModelError(f"{where}, which is this machine itself: a server elsewhere may not lead there")


def is_loopback(host: str) -> bool:
    """True for names and addresses of this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
