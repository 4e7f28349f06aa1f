"""What a client changes of sweeps, and what agents ask."""

from __future__ import annotations

import json
from typing import Any

from raysweep.tracking.endpoint.graphql import Refusal
from raysweep.tracking.endpoint.paging import opaque, parts_of
from raysweep.tracking.endpoint.project import Project
from raysweep.tracking.endpoint.state import State
from raysweep.tracking.endpoint.sweep_view import AgentView, SweepView
from raysweep.tracking.endpoint.sweeps import Agent, Sweep, Sweeps, now


class SweepMutations:
    """The part of the root of mutations that is about sweeps."""

    def __init__(self, state: State) -> None:
        self._state = state

    def upsert_sweep(self, input: dict[str, Any]) -> dict[str, Any]:
        """Make a sweep, or set the state of one."""
        parts = parts_of(input.get("id") or "")
        if len(parts) == 3 and parts[0] == "sweep":
            project = self._state.project(parts[1])
            sweep = self._found(project, parts[2])
            if input.get("config"):
                raise Refusal(
                    f"sweep {parts[2]}: its config stays as it is, so that its runs can be "
                    "compared; make another sweep"
                )
            if input.get("state"):
                sweep.set_state(input["state"])
        elif input.get("prior_runs_filters"):
            raise Refusal("sweep: runs of before cannot be added to a sweep here; leave them out")
        else:
            project = self._state.project(input.get("project_name"))
            sweep = _sweeps(project).create(input.get("config") or "")
        return {"sweep": SweepView(sweep, project), "config_validation_warnings": []}

    def create_agent(self, input: dict[str, Any]) -> dict[str, Any]:
        """Take note of an agent."""
        project = self._state.project(input.get("project_name"))
        sweep = self._found(project, input["sweep"])
        number = str(len(sweep.agents))
        id = opaque("agent", project.name, sweep.kept.id, number)
        agent = Agent(id, input.get("host") or "", now())
        sweep.register(agent)
        return {"agent": AgentView(agent, SweepView(sweep, project))}

    def agent_heartbeat(self, input: dict[str, Any]) -> dict[str, Any]:
        """Say what the agent is to do."""
        parts = parts_of(input["id"])
        if len(parts) != 4 or parts[0] != "agent":
            raise Refusal("no such agent", status=404)
        project = self._state.project(parts[1])
        sweep = self._found(project, parts[2])
        agent = sweep.agents.get(input["id"])
        if agent is None:
            raise Refusal("no such agent", status=404)
        named = json.loads(input.get("run_state") or "{}")
        commands = sweep.heartbeat(agent, {run for run, going in named.items() if going})
        view = AgentView(agent, SweepView(sweep, project))
        return {"agent": view, "commands": json.dumps(commands)}

    def _found(self, project: Project, id: str) -> Sweep:
        """Return the sweep. Raises Refusal (404), which says where it is, if it is elsewhere."""
        found = _sweeps(project).find(id)
        if found is None:
            raise Refusal(self._state.no_sweep(project.name, id), status=404)
        return found


def _sweeps(project: Project) -> Sweeps:
    if project.kept_sweeps is None:
        raise Refusal("sweep: a trial's program makes no sweeps; start it with `raysweep exec`")
    return project.kept_sweeps
