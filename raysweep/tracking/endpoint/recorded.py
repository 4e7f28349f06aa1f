"""What an endpoint's programs have logged, for the command that started them."""

from __future__ import annotations

from typing import Any

from raysweep.tracking.endpoint.server import Endpoint
from raysweep.tracking.programs import TABLES


def recorded(endpoint: Endpoint) -> list[dict[str, Any]]:
    """Return the runs that began here, in order: `id`, `name`, `project`, `state`, `summary`, and
    the versions that they `used` and `logged`, `name:vK`."""
    with endpoint.state.lock:
        found = []
        for project in endpoint.state.projects.values():
            for run_id in project.live:
                (record,) = project.store.runs(run_id=run_id)
                found.append(
                    {
                        "id": record.id,
                        "name": record.name,
                        "project": project.store.project,
                        "state": record.state,
                        "summary": {k: v for k, v in record.summary.items() if k != TABLES},
                        "used": list(record.used),
                        "logged": list(record.logged),
                    }
                )
        return found


def recorded_sweeps(endpoint: Endpoint) -> list[dict[str, Any]]:
    """Return the sweeps that were made or continued here: see `Standing.summary`, and `project` and
    `state`."""
    with endpoint.state.lock:
        found = []
        for project in endpoint.state.projects.values():
            served = project.kept_sweeps.served.values() if project.kept_sweeps else ()
            for sweep in (each for each in served if each.is_ours):
                standing = sweep.look()
                state = sweep.state(standing).lower()
                found.append({**sweep.summary(), "project": project.store.project, "state": state})
        return found
