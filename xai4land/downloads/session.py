"""HTTP with safe redirects, and messages of faults that hold no secret."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urljoin

import requests
import urllib3

from xai4land.downloads.urls import find_problem, is_loopback, redact
from xai4land.errors import DownloadError

__all__ = ["TRANSFER_ERRORS", "Session", "TransientError", "describe_status", "explain_fault"]


class TransientError(Exception):
    """A fault that another attempt may mend."""


TRANSFER_ERRORS = (TransientError, requests.RequestException, urllib3.exceptions.HTTPError)


class Session(requests.Session):
    """Follows redirects to https only; to this machine only from this machine."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return where a response redirects to, if it may be followed."""
        target: str | None = super().get_redirect_target(resp)
        if target is None:
            return None
        try:
            there = requests.utils.requote_uri(urljoin(resp.url, target))
        except (ValueError, requests.exceptions.InvalidURL):
            there = target
        found = find_problem(there)
        if not found and is_loopback(there) and not is_loopback(resp.url):
            found = "it leads to this machine"
        if found:
            raise DownloadError(
                f"{redact(resp.url)} redirects to {redact(there)}, which is not followed: {found}"
            )
        resp.close()  # what it says besides is not waited for
        return target


def describe_status(status: int) -> str:
    """Describe a status code in the standard's words; the server's own are not repeated."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def explain_fault(error: BaseException) -> tuple[str, bool]:
    """Say what went wrong, without the address, and whether another attempt is in vain."""
    inner = error.args[0] if error.args else None
    reason = getattr(inner, "reason", inner)
    if isinstance(error, TransientError):
        return str(error), False
    if isinstance(error, requests.exceptions.SSLError):
        return f"its certificate is not accepted ({reason})", True
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy refuses; see the environment variables HTTPS_PROXY and NO_PROXY", False
    if isinstance(error, requests.exceptions.TooManyRedirects):
        return "it redirects without end", True
    if isinstance(error, ValueError):
        return "it is no address", True
    if isinstance(error, requests.ConnectTimeout):
        return "the server did not answer the call", False
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return "the server stopped sending", False
    if isinstance(reason, urllib3.exceptions.NameResolutionError):
        return "the name of the host is not known from here", False
    if isinstance(reason, urllib3.exceptions.NewConnectionError):
        return "no connection to the host", False
    return "the connection was cut", False
