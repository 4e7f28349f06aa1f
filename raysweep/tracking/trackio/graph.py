"""The graph of runs and versions in a Trackio database, with the names of its nodes."""

from __future__ import annotations

import sqlite3

from raysweep.tracking import lineage
from raysweep.tracking.port import LineageNode
from raysweep.tracking.trackio import artifacts, runs


class Graph(artifacts.Links):
    """The project's graph, with the names of its nodes."""

    def __init__(self, db: sqlite3.Connection) -> None:
        super().__init__(db)
        self._db = db
        self._entries = dict(runs.entries(db))

    def artifact_node(self, ref: str) -> LineageNode:
        version = artifacts.version(artifacts.find(self._db, ref))
        return LineageNode(
            id=lineage.artifact_node_id(ref),
            kind="artifact",
            name=version.name,
            type=version.type,
            version=version.version,
            aliases=version.aliases,
        )

    def run_node(self, run_id: str) -> LineageNode:
        entry, node_id = self._entries.get(run_id), lineage.run_node_id(run_id)
        if entry is None:  # logged by another program that writes to the same project
            return LineageNode(id=node_id, kind="run", name=run_id)
        return LineageNode(node_id, "run", entry.name, job_type=entry.job_type, state=entry.state)
