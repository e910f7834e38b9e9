"""Object stores in the cloud (S3 and what speaks like it, Google, Azure), reached by obstore.

obstore writes on conditions for all of them, tries again where a server is busy, and needs no other
package. Options have fsspec's names, as for xarray.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

from xai4land.errors import InputError, StoreError
from xai4land.options import get_options
from xai4land.store.addresses import scheme_of
from xai4land.store.objects import Entry, Found, Version

__all__ = ["CloudObjects", "explain_refusal", "open_cloud"]

REQUEST_SECONDS = 600
"""The most that one request may take, large uploads included."""
MIN_RETRIES = 10
"""A busy store asks for patience (503 Slow Down); waits double, from a tenth of a second."""
CONDITIONAL_TRIES = 4
NAMES = {
    "s3": {
        "anon": "skip_signature",
        "key": "access_key_id",
        "secret": "secret_access_key",
        "token": "session_token",
        "endpoint_url": "endpoint",
        "region_name": "region",
        "requester_pays": "request_payer",
    },
    "gs": {"token": "application_credentials", "endpoint_url": "base_url"},
    "az": {"anon": "skip_signature", "sas_token": "sas_key"},
}
"""fsspec's names of options, and obstore's; others are obstore's own."""
GCSFS_WORDS = ("anon", "browser", "cache", "cloud", "google_default")
"""What gcsfs knows as a token, beside a file: nobody, or whoever the machine or the user is."""
SIGNS = {
    "s3": (
        "AWS_ACCESS_KEY_ID",
        "AWS_PROFILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ),
    "gs": ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT"),
    "az": ("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS_KEY", "AZURE_CLIENT_ID"),
}
"""Variables of the environment that say that there are credentials."""
FILES = {
    "s3": "~/.aws/credentials",
    "gs": "~/.config/gcloud/application_default_credentials.json",
}
ADVICE = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or storage_options={'key': ..., "
    "'secret': ...}; {'anon': True} for a public bucket",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS, or storage_options={'token': 'key.json'}; "
    "{'token': 'anon'} for a public bucket",
    "az": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or storage_options="
    "{'account_name': ..., 'account_key': ...}",
}


class CloudObjects:
    """Objects in a cloud; see :class:`xai4land.store.objects.Objects`."""

    def __init__(self, url: str, open_at: Callable[[str], Any]) -> None:
        self.url, self._open_at = url, open_at
        self._store = open_at(url)

    def read(self, key: str) -> Found | None:
        """Read an object; None if there is none."""
        import obstore

        with self._translate("read", key):
            try:
                found = obstore.get(self._store, key)
                meta, content = found.meta, bytes(found.bytes())
            except FileNotFoundError:
                return None
        return Found(content, _version(meta), meta["last_modified"])

    def find(self, key: str) -> Entry | None:
        """Find an object without reading it; None if there is none."""
        import obstore

        with self._translate("read", key):
            try:
                meta = obstore.head(self._store, key)
            except FileNotFoundError:
                return None
        return Entry(_mark(meta["e_tag"]), meta["last_modified"])

    def download(self, key: str, path: Path) -> None:
        """Copy an object to a file."""
        import obstore

        with self._translate("read", key), path.open("wb") as file:
            for piece in obstore.get(self._store, key).stream():
                file.write(piece)

    def write(self, key: str, content: bytes | Path) -> str:
        """Write an object, and return the mark that listings will have of it."""
        import obstore

        with self._translate("write", key):
            parts = isinstance(content, Path)
            put = obstore.put(self._store, key, content, use_multipart=parts, mode="overwrite")
        return _mark(put["e_tag"])

    def create(self, key: str, content: bytes) -> Version | None:
        """Write an object that is not there; None if it is, with other content."""
        return self._change(key, content, None)

    def replace(self, key: str, content: bytes, version: Version) -> Version | None:
        """Write an object if it is still of a version; None if it is not."""
        return self._change(key, content, version)

    def _change(self, key: str, content: bytes, version: Version | None) -> Version | None:
        """Write on a condition; what is there decides where the answer was lost."""
        from obstore.exceptions import AlreadyExistsError, GenericError, PreconditionError

        for left in reversed(range(CONDITIONAL_TRIES)):
            with self._translate("write", key):
                try:
                    return self._put(key, content, version)
                except (AlreadyExistsError, PreconditionError):
                    pass
                except GenericError:  # the connection broke, before or after it was written
                    if not left:
                        raise
            found = self.read(key)
            if found is not None and found.content == content:
                return found.version
            if (found and found.version) != version:
                return None
        return None

    def _put(self, key: str, content: bytes, version: Version | None) -> Version:
        import obstore

        known = version and {k: v for k, v in version._asdict().items() if v is not None}
        mode: Any = known or "create"
        return _version(obstore.put(self._store, key, content, mode=mode))

    def list(self, prefix: str) -> dict[str, Entry]:
        """List the objects in a folder, and in all folders in it."""
        import obstore

        with self._translate("list", prefix):
            found = [meta for some in obstore.list(self._store, prefix) for meta in some]
        return {meta["path"]: Entry(_mark(meta["e_tag"]), meta["last_modified"]) for meta in found}

    def copy(self, key: str, target: str) -> None:
        """Copy an object where it is."""
        import obstore

        with self._translate("write", key):
            obstore.copy(self._store, key, target)

    def delete(self, keys: Collection[str]) -> None:
        """Delete objects; those that are not there are passed over."""
        import obstore

        if not keys:
            return
        with self._translate("delete", min(keys)):
            try:
                obstore.delete(self._store, list(keys))
            except FileNotFoundError:
                for key in keys:
                    with _pass_over_missing():
                        obstore.delete(self._store, key)

    def zarr_store(self, prefix: str) -> Any:
        """Return what Zarr reads a folder by; it cannot write."""
        from zarr.storage import ObjectStore

        return ObjectStore(self._open_at(f"{self.url}/{prefix}"), read_only=True)

    @contextmanager
    def _translate(self, doing: str, key: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if reason := explain_refusal(error, self.url):
                # Without the library's own error, whose text has the server's whole answer.
                raise StoreError(f"could not {doing} {self.url}/{key}: {reason}") from None
            raise


@contextmanager
def _pass_over_missing() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        return


def _version(meta: Mapping[str, Any]) -> Version:
    return Version(meta["e_tag"], meta["version"])


def _mark(e_tag: str | None) -> str:
    return (e_tag or "").removeprefix("W/").strip('"')


def explain_refusal(error: Exception, url: str) -> str:
    """Explain in a line what an object store refused, and what to do; empty of other errors.

    Nothing of the server's answer is repeated but its code: it may tell who asked.
    """
    import obstore.exceptions as refusals

    if not isinstance(error, (refusals.BaseError, FileNotFoundError)):
        return ""
    text = str(error)
    advice = ADVICE[_kind(url)]
    code = "".join(re.findall(r"<Code>(\w+)</Code>", text)[:1])
    status = "".join(re.findall(r"status code: (\d{3}[A-Za-z ]*)", text)[:1]).strip()
    said = ", ".join(part for part in (status, code) if part)
    if isinstance(error, refusals.PermissionDeniedError | refusals.UnauthenticatedError):
        return f"access is denied ({said}); {advice}"
    if code == "NoSuchBucket" or isinstance(error, FileNotFoundError):
        return f"there is no such bucket ({said}); check the address"
    if "LOCATION" in text or status.startswith("301"):
        return "the bucket is in another region; set AWS_REGION, or storage_options={'region': ...}"
    if "metadata" in text or "169.254.169.254" in text:
        return f"no credentials were found; {advice}"
    if said:
        return f"the server answered {said}, several times; run the same again later"
    return (
        "the server cannot be reached, or broke off; check the address and the network, and run "
        "the same again"
    )


def open_cloud(url: str, options: Mapping[str, Any], read_only: bool = False) -> CloudObjects:
    """Open the objects under an address in a cloud.

    Parameters
    ----------
    url : str
    options : mapping
        By fsspec's names (for S3: ``key``, ``secret``, ``token``, ``anon``, ``profile``,
        ``endpoint_url``, ``client_kwargs``), or obstore's. What is left out comes from the
        environment.
    read_only : bool
        Whether one without credentials asks as nobody, as public buckets allow.

    Raises
    ------
    InputError
        If obstore is not installed, or an option is unknown.
    """
    if find_spec("obstore") is None:
        raise InputError(
            f"{url} is reached by obstore, which is not installed; run: pip install obstore "
            "(part of xai4land[cloud])"
        )
    from obstore import store
    from obstore.exceptions import BaseError

    kind = _kind(url)
    config, how = _read_options(kind, options, read_only)
    from_url: Any = store.from_url  # typed for each cloud by itself
    try:
        return CloudObjects(url, lambda address: from_url(_quote(address), config=config, **how))
    except (BaseError, TypeError, ValueError) as error:
        known = ", ".join(sorted(NAMES[kind]))
        raise InputError(
            f"cannot open {url} with storage_options of {', '.join(sorted(options)) or 'none'}: "
            f"{type(error).__name__}; expected names such as {known}"
        ) from None


def _quote(url: str) -> str:
    """Write a name as it must stand in an address, for a library that reads it as one: % as %25."""
    scheme, _, rest = url.partition("://")
    bucket, slash, key = rest.partition("/")
    return f"{scheme}://{bucket}{slash}{quote(key)}"


def _kind(url: str) -> str:
    return {"s": "s3", "g": "gs", "a": "az"}[scheme_of(url)[:1]]


def _read_options(
    kind: str, options: Mapping[str, Any], read_only: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return obstore's configuration, and what else it is told."""
    nested = options.get("client_kwargs") or {}
    given = {k: v for k, v in {**options, **nested}.items() if v is not None}
    given.pop("client_kwargs", None)
    profile = given.pop("profile", None)
    config = {NAMES[kind].get(name, name): value for name, value in given.items()}
    if kind == "gs" and config.get("application_credentials") in GCSFS_WORDS:
        config["skip_signature"] = config.pop("application_credentials") == "anon"
    how: dict[str, Any] = {}
    if kind == "s3":
        provider = None if {"access_key_id", "skip_signature"} & set(config) else _sign_in(profile)
        how = {"credential_provider": provider} if provider else {}
        names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
        endpoint = next((os.environ[name] for name in names if name in os.environ), None)
        config = {**({"endpoint": endpoint} if endpoint else {}), **config}
    if read_only and not options and not how and not _has_credentials(kind):
        config["skip_signature"] = True
    options_of_client = {
        "connect_timeout": timedelta(seconds=get_options().timeout),
        "timeout": timedelta(seconds=REQUEST_SECONDS),
        "allow_http": str(config.get("endpoint", "")).startswith("http://"),
    }
    retries = {"max_retries": max(MIN_RETRIES, get_options().retries)}
    return config, {"client_options": options_of_client, "retry_config": retries, **how}


def _has_credentials(kind: str) -> bool:
    """Tell whether the environment, or a file of the user's, has credentials."""
    file = FILES.get(kind)
    own = file is not None and Path(file).expanduser().exists()
    return own or any(name in os.environ for name in SIGNS[kind])


def _sign_in(profile: str | None) -> Any:
    """Return what gives the credentials of a profile; None if there is none."""
    wanted = profile or os.environ.get("AWS_PROFILE")
    if not wanted and ("AWS_ACCESS_KEY_ID" in os.environ or not _has_credentials("s3")):
        return None
    if find_spec("boto3") is None:
        if not wanted:
            return None
        raise InputError(
            f"the profile {wanted!r} is read by boto3, which is not installed; run: pip install "
            "boto3 (part of xai4land[cloud]), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    import boto3
    from obstore.auth.boto3 import Boto3CredentialProvider

    try:
        return Boto3CredentialProvider(boto3.Session(profile_name=wanted))
    except Exception as error:
        raise InputError(
            f"the profile {wanted or 'default'!r} gives no credentials ({type(error).__name__}); "
            "check ~/.aws/credentials and ~/.aws/config"
        ) from None
