"""Tell URIs from paths, and refuse URIs and addresses that contain keys.

The storage and the address are recorded: in configs, journals, messages, the lease at the URI, a
job's metadata. So they must not contain a password or a key.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from raysweep.errors import UserError

_URI = re.compile(r"[a-z][a-z0-9+.-]+:/")  # one slash: Path merges two
_AUTHORITY = re.compile(r"[a-z][a-z0-9+.-]*:/+", re.IGNORECASE)  # one slash: Path merges two
_OPTION = re.compile(r"[?&;#]([^=&;#]+)=([^&;#]+)")
_SECRET_PARTS = (
    *("secret", "token", "password", "passwd", "signature", "accesskey", "accountkey", "apikey"),
    *("sharedkey", "privatekey", "connectionstring"),
)
_SECRET_NAMES = ("sas", "sig", "key", "pwd", "pass", "auth", "credential", "xamzcredential")
_USER_MAY_BE_NAMED = ("abfs", "abfss", "hdfs", "viewfs", "file", "hf", "ssh", "sftp")
"""Schemes whose user part is not secret: in abfs it is a container, in hdfs an account."""

_INSTEAD = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use ~/.aws/credentials",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS, or use `gcloud auth application-default login`",
    "abfs": "set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or use `az login`",
}
_ELSE = "leave it to the environment or to a credentials file"


def is_uri(place: str | Path) -> bool:
    """Whether a `--storage` is a URI, not a folder's path."""
    return _URI.match(str(place)) is not None


def refuse_keys(where: str, address: object, instead: str | None = None) -> None:
    """Raise UserError, without quoting it, if `address` contains a password or a key.

    `where` is the source, such as `--storage`; `instead` is what to do, if that does not follow
    from the scheme. A path of this machine is not an address.
    """
    text = str(address)
    what = _key_in(text)
    if what is not None:
        scheme = text.partition(":")[0].lower()
        known = (say for at, say in _INSTEAD.items() if scheme.startswith(at))
        raise UserError(
            f"{where} {without_keys(text)}: contains {what}, which would end up in configs, logs "
            f"and messages; remove it, and {instead or next(known, _ELSE)}"
        )


def without_keys(address: str) -> str:
    """Return the address for a message, with possible keys replaced by `…`."""
    start = _AUTHORITY.match(address)
    if start is None:
        return address
    scheme, rest = start.group(), address[start.end() :]
    if _user_of(scheme, rest)[1] is not None:
        rest = "…@" + rest.rpartition("@")[2]
    return scheme + _OPTION.sub(_hidden, rest)


def _hidden(option: re.Match[str]) -> str:
    name, value = option.groups()
    if _is_secret(name) or "@" in unquote(value):
        return f"{option.group()[0]}{name}=…"
    return option.group()


def _key_in(text: str) -> str | None:
    """Describe the kind of key in an address; None if there is none."""
    start = _AUTHORITY.match(text)
    if start is None:
        return None
    kind, userinfo = _user_of(start.group(), text[start.end() :])
    if userinfo is not None:
        return kind
    for name, value in _OPTION.findall(text):
        if _is_secret(name):
            return f"a key ({name}=…)"
        if re.search(r"[^/@]+:[^@]*@", unquote(value)):  # an endpoint with its own user:password
            return f"a password (in {name}=…)"
    return None


def _user_of(scheme: str, rest: str) -> tuple[str, str | None]:
    """Describe the part before the @, and return it if it may contain a key.

    Azure's keys are base 64 and may contain a slash, at which a URL parser ends the host. So a
    colon without a port, with an @ somewhere after it, also means a password.
    """
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    userinfo, at, _ = authority.rpartition("@")
    name = scheme.partition(":")[0].lower()
    if not at:
        _, colon, port = authority.rpartition("]")[2].rpartition(":")
        broken = colon and not port.isdecimal() and "@" in rest
        return "a password", rest.rpartition("@")[0] if broken else None
    if userinfo.partition(":")[2]:
        return "a password", userinfo
    user = userinfo.rstrip(":")
    if not user or name in _USER_MAY_BE_NAMED or (name[:2] == "gs" and user == "anonymous"):
        return "", None
    return "a user or a key", userinfo


def _is_secret(name: str) -> bool:
    plain = re.sub(r"[^a-z0-9]", "", unquote(name).lower())
    return plain in _SECRET_NAMES or any(part in plain for part in _SECRET_PARTS)
