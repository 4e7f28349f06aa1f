"""Experiment tracking: one small port, and its adapters for Trackio (embedded) and W&B.

Importing this package is quick: the code that has chosen an adapter imports it
(`trackio.tracker`, `wandb.tracker` or `mirror.tracker`).
"""

from __future__ import annotations

from raysweep.tracking.names import Reference, parse_reference, validate_project
from raysweep.tracking.port import (
    METADATA_FILE,
    ArtifactDraft,
    ArtifactFile,
    ArtifactVersion,
    Image,
    Json,
    Lineage,
    LineageNode,
    Run,
    RunRecord,
    RunSpec,
    RunState,
    StaleState,
    Tracker,
)
from raysweep.tracking.select import Backend, Choice, choose, connect
from raysweep.tracking.wandb.key import where_the_key_is

__all__ = [
    "METADATA_FILE",
    "ArtifactDraft",
    "ArtifactFile",
    "ArtifactVersion",
    "Backend",
    "Choice",
    "Image",
    "Json",
    "Lineage",
    "LineageNode",
    "Reference",
    "Run",
    "RunRecord",
    "RunSpec",
    "RunState",
    "StaleState",
    "Tracker",
    "choose",
    "connect",
    "parse_reference",
    "validate_project",
    "where_the_key_is",
]
