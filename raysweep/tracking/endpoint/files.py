"""A file of a run or of a version as the client asks for it."""

from __future__ import annotations

from dataclasses import dataclass

from raysweep.tracking.endpoint.paging import opaque
from raysweep.tracking.endpoint.place import Place
from raysweep.tracking.port import ArtifactFile


@dataclass(frozen=True)
class FileView:
    """A file of a run or of a version. `md5` is empty where nobody has asked for it yet."""

    place: Place
    file: ArtifactFile
    md5: str = ""

    graphql_type = "File"
    mimetype = storage_path = updated_at = None

    @property
    def id(self) -> str:
        return opaque("file", self.place.name, self.file.digest, self.file.path)

    @property
    def name(self) -> str:
        return self.file.path

    @property
    def display_name(self) -> str:
        return self.file.path

    @property
    def size_bytes(self) -> int:
        return self.file.size_bytes

    @property
    def digest(self) -> str:
        return self.md5

    @property
    def direct_url(self) -> str:
        return self.place.uploads.get_url(self.place.store, self.file)

    def url(self, upload: bool = False) -> str:
        """Return where to GET it."""
        return self.direct_url
