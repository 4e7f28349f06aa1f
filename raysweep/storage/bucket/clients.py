"""Make obstore's client for a URI that pyarrow opened, with the same options and credentials.

It is used only for conditional writes. Files go through pyarrow, whose clients find credentials in
more places: the AWS SDK knows SSO and credential processes, for which obstore needs boto3.
"""

from __future__ import annotations

import configparser
import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from raysweep.storage.bucket.object_store import (
    ATTEMPTS,
    CONNECT_TIMEOUT_S,
    ObjectStore,
    s3_options,
)

if TYPE_CHECKING:
    from obstore.store import AzureStore, GCSStore, S3Store

_TIMEOUT_S = 20


def client(store: ObjectStore) -> S3Store | GCSStore | AzureStore:
    """Make the client. Raises ValueError for a URI that has none."""
    if store.kind == "s3":
        return _s3(store)
    if store.kind == "gcs":
        return _gcs(store)
    if store.kind == "abfs":
        return _azure(store)
    raise ValueError(f"{store.uri.partition(':')[0]}: has none")


def _patience() -> dict[str, Any]:
    return {
        "client_options": {
            "connect_timeout": f"{CONNECT_TIMEOUT_S}s",
            "timeout": f"{_TIMEOUT_S}s",
            "allow_http": True,
        },
        "retry_config": {
            "max_retries": ATTEMPTS - 1,
            "retry_timeout": timedelta(seconds=_TIMEOUT_S),
        },
    }


def _s3(store: ObjectStore) -> S3Store:
    from obstore.store import S3Store

    options = s3_options(store.uri)
    config: dict[str, Any] = {"region": options["region"]}
    if "endpoint_override" in options:
        config["endpoint"] = f"{options['scheme']}://{options['endpoint_override']}"
    if options.get("force_virtual_addressing"):
        config["virtual_hosted_style_request"] = True
    bucket, _, prefix = store.root.partition("/")
    return S3Store(bucket, prefix=prefix or None, **config, **_s3_keys(), **_patience())


def _s3_keys() -> dict[str, Any]:
    """Read credentials from the files of AWS's tools, which obstore does not read."""
    if "AWS_ACCESS_KEY_ID" in os.environ:
        return {}
    found = _keys_in_file()
    if found:
        return found
    try:
        from obstore.auth.boto3 import Boto3CredentialProvider

        return {"credential_provider": Boto3CredentialProvider()}
    except (ImportError, ValueError):  # no boto3, or it finds no keys: use the machine's role
        return {}


def _keys_in_file() -> dict[str, str]:
    """Read the profile's static keys."""
    path = os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials"
    known = configparser.RawConfigParser()
    try:
        known.read(Path(path).expanduser(), encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return {}
    profile = os.environ.get("AWS_PROFILE") or "default"
    keys = dict(known[profile]) if known.has_section(profile) else {}
    if not {"aws_access_key_id", "aws_secret_access_key"} <= keys.keys():
        return {}
    names = {
        "aws_access_key_id": "access_key_id",
        "aws_secret_access_key": "secret_access_key",
        "aws_session_token": "session_token",
    }
    return {option: keys[name] for name, option in names.items() if name in keys}


def _gcs(store: ObjectStore) -> GCSStore:
    from obstore.store import GCSStore

    if "endpoint_override" in store.uri:
        raise ValueError("gs://: another server than Google's is not asked for them")
    bucket, _, prefix = store.root.partition("/")
    keys: Any = {"skip_signature": True} if "//anonymous@" in store.uri else {}
    return GCSStore(bucket, prefix=prefix or None, **keys, **_patience())


def _azure(store: ObjectStore) -> AzureStore:
    from obstore.store import AzureStore

    host = urlsplit(store.uri).hostname or ""
    account = host.partition(".")[0] if host.endswith(".core.windows.net") else None
    account = account or os.environ.get("AZURE_STORAGE_ACCOUNT_NAME")
    if account is None:
        raise ValueError("abfs://: write abfs://container@account.dfs.core.windows.net/prefix")
    keys: Any = {} if _azure_keys_are_set() else {"use_azure_cli": True}
    container, _, prefix = store.root.partition("/")
    return AzureStore(container, prefix=prefix or None, account_name=account, **keys, **_patience())


def _azure_keys_are_set() -> bool:
    names = ("ACCOUNT_KEY", "SAS_KEY", "TOKEN", "CLIENT_SECRET")
    return "AZURE_FEDERATED_TOKEN_FILE" in os.environ or any(
        f"{start}_{name}" in os.environ for start in ("AZURE_STORAGE", "AZURE") for name in names
    )
