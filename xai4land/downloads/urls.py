"""Addresses and hashes that may be trusted, and how an address is shown."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from xai4land.errors import InputError

__all__ = [
    "check_url",
    "find_problem",
    "is_loopback",
    "is_url",
    "parse_hash",
    "redact",
    "safe_file_name",
    "split_hash",
]

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
HASH_DIGITS = {"sha256": 64, "md5": 32}
HOST_PATTERN = re.compile(
    r"([a-z0-9-]+(\.[a-z0-9-]+)*\.?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", re.IGNORECASE
)
# The characters of RFC 3986; anything else is read differently by different libraries.
ALLOWED_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")


def is_url(text: str) -> bool:
    """Tell whether a text looks like an address, of whatever scheme."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) is not None


def is_loopback(url: str) -> bool:
    """Tell whether an address leads to this machine."""
    return urlsplit(url).hostname in LOOPBACK_HOSTS


def find_problem(url: str) -> str:
    """Find what keeps an address from being used; empty if nothing does."""
    if not ALLOWED_CHARACTERS.fullmatch(url):
        return "it has characters that an address cannot have; write them as %XX"
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        return f"it is no address ({error})"
    if "@" in parts.netloc:
        return "it holds a user or password; put them into ~/.netrc"
    if not host or not HOST_PATTERN.fullmatch(parts.netloc):
        return "it names no host"
    if parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK_HOSTS):
        return f"its scheme is {parts.scheme!r}, expected https"
    return ""


def check_url(url: str) -> None:
    """Refuse an address that is not plain https.

    Raises
    ------
    InputError
    """
    if found := find_problem(url):
        raise InputError(f"cannot download from {redact(url)}: {found}")


def redact(url: str) -> str:
    """Remove what may be secret of an address: user, password, query, fragment.

    Examples
    --------
    >>> redact("https://me:secret@host.org/data/states.nc?token=secret#x")
    'https://host.org/data/states.nc'
    """
    scheme, slashes, rest = re.split(r"[?#]", url, maxsplit=1)[0].partition("://")
    host, slash, path = rest.partition("/")
    text = f"{scheme}{slashes}{host.rpartition('@')[2]}{slash}{path}"
    return text if text.isprintable() else ascii(text)


def safe_file_name(url: str) -> str:
    """Make a plain file name for what lies at an address.

    Examples
    --------
    >>> safe_file_name("https://host.org/data/../%2e%2e%2fmulti%20states.nc?x=1")
    'multi_states.nc'
    """
    last = re.split(r"[/\\]", unquote(urlsplit(url).path))[-1]
    return re.sub(r"[^A-Za-z0-9._-]+", "_", last).lstrip(".")[-100:] or "download"


def parse_hash(known_hash: str) -> tuple[str, str]:
    """Parse algorithm and digits of a hash: ``sha256:…``, ``md5:…``, or SHA-256's digits alone.

    Raises
    ------
    InputError

    Examples
    --------
    >>> parse_hash("md5:D41D8CD98F00B204E9800998ECF8427E")
    ('md5', 'd41d8cd98f00b204e9800998ecf8427e')
    """
    algorithm, _, digits = str(known_hash).rpartition(":")
    algorithm = algorithm.lower() or "sha256"
    if not re.fullmatch(rf"[0-9a-fA-F]{{{HASH_DIGITS.get(algorithm, 0)}}}", digits) or not digits:
        raise InputError(
            f"{known_hash!r} is no hash; expected sha256: and 64 hexadecimal digits, or md5: and 32"
        )
    return algorithm, digits.lower()


def split_hash(url: str) -> tuple[str, str]:
    """Split address and hash of ``https://…#sha256=…``.

    Raises
    ------
    InputError
        If the hash is missing, or is none.

    Examples
    --------
    >>> split_hash("https://host.org/a.safetensors#sha256=" + 64 * "0")[0]
    'https://host.org/a.safetensors'
    """
    address, _, fragment = url.partition("#")
    check_url(address)
    if not re.match(r"(sha256|md5)=", fragment):
        raise InputError(
            f"{redact(url)} comes without a hash, so nobody could tell whether it is the right "
            "file; add #sha256=… with the digits that its publisher gives (or `sha256sum FILE`)"
        )
    algorithm, digits = parse_hash(fragment.replace("=", ":", 1))
    return address, f"{algorithm}:{digits}"
