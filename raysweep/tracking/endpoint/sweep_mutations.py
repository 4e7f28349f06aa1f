"""What a client changes of sweeps, and what agents ask."""

from __future__ import annotations

import json
from typing import Any

from raysweep.tracking.endpoint.graphql import Refusal
from raysweep.tracking.endpoint.paging import opaque, parts_of
from raysweep.tracking.endpoint.project import Project
from raysweep.tracking.endpoint.served_sweep import Agent, now
from raysweep.tracking.endpoint.state import State
from raysweep.tracking.endpoint.sweep_view import AgentView, SweepView
from raysweep.tracking.endpoint.sweeps import Sweeps


class SweepMutations:
    """The part of the root of mutations that is about sweeps."""

    def __init__(self, state: State) -> None:
        self._state = state

    def upsert_sweep(self, input: dict[str, Any]) -> dict[str, Any]:
        """Make a sweep, or set the state of one."""
        parts = parts_of(input.get("id") or "")
        if len(parts) == 3 and parts[0] == "sweep":
            view = self._found(parts[1], parts[2])
            if input.get("config"):
                raise Refusal(
                    f"sweep {parts[2]}: its config stays as it is, so that its runs can be "
                    "compared; make another sweep"
                )
            if input.get("state"):
                view.sweep.set_state(input["state"])
        elif input.get("prior_runs_filters"):
            raise Refusal("sweep: runs of before cannot be added to a sweep here; leave them out")
        else:
            project = self._state.project(input.get("project_name"))
            sweep = _sweeps(project).create(input.get("config") or "")
            view = SweepView(sweep, project)
        return {"sweep": view, "config_validation_warnings": []}

    def create_agent(self, input: dict[str, Any]) -> dict[str, Any]:
        """Take note of an agent."""
        view = self._found(input.get("project_name"), input["sweep"])
        number = str(len(view.sweep.agents))
        id = opaque("agent", view.project.name, view.name, number)
        agent = Agent(id, input.get("host") or "", now())
        view.sweep.register(agent)
        return {"agent": AgentView(agent, view)}

    def agent_heartbeat(self, input: dict[str, Any]) -> dict[str, Any]:
        """Say what the agent is to do."""
        parts = parts_of(input["id"])
        if len(parts) != 4 or parts[0] != "agent":
            raise Refusal("no such agent", status=404)
        view = self._found(parts[1], parts[2])
        agent = view.sweep.agents.get(input["id"])
        if agent is None:
            raise Refusal("no such agent", status=404)
        named = json.loads(input.get("run_state") or "{}")
        commands = view.sweep.heartbeat(agent, {run for run, going in named.items() if going})
        return {"agent": AgentView(agent, view), "commands": json.dumps(commands)}

    def _found(self, project_name: str | None, id: str) -> SweepView:
        """Return the sweep. Raises Refusal (404) where there is none."""
        project = self._state.project(project_name)
        _sweeps(project)
        found = project.sweep(id)
        if found is None:
            raise Refusal(f"project {project.name} has no sweep {id}", status=404)
        return found


def _sweeps(project: Project) -> Sweeps:
    if project.kept_sweeps is None:
        raise Refusal("sweep: a trial's program makes no sweeps; start it with `raysweep exec`")
    return project.kept_sweeps
