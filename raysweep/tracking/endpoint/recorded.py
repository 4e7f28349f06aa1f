"""What an endpoint's programs have logged, for the command that started them."""

from __future__ import annotations

from typing import Any

from raysweep.tracking.endpoint.server import Endpoint


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
                        "summary": dict(record.summary),
                        "used": list(record.used),
                        "logged": list(record.logged),
                    }
                )
        return found
