"""How a sweep's runs are named in a tracker: their ids, names and group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raysweep.tracking.port import RunSpec


@dataclass(frozen=True)
class SweepIdentity:
    """A sweep's name, and the id from which the ids of its runs are made."""

    name: str
    id: str
    tags: tuple[str, ...] = ()

    def run_id(self, name: str) -> str:
        """The id of this sweep's run `name`, the same in every process."""
        return f"{self.id}-{name}"

    def run(self, name: str, job_type: str, config: Mapping[str, Any]) -> RunSpec:
        """The spec of this sweep's run `name`; the same name is the same run."""
        return RunSpec(
            id=self.run_id(name),
            name=f"{name}-{self.name}",  # a graph's boxes cut the end off
            job_type=job_type,
            group=self.name,
            config=config,
            tags=self.tags,
        )
