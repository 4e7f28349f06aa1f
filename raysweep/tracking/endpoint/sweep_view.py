"""A sweep and its agents as the client asks for them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from raysweep.tracking.endpoint.paging import Connection, opaque, page
from raysweep.tracking.endpoint.served_sweep import Agent, Sweep


@dataclass(frozen=True)
class SweepView:
    """A sweep. `project`: its project's view."""

    sweep: Sweep
    project: Any

    graphql_type = "Sweep"
    display_name = controller = scheduler = None
    early_stop_job_running = False

    @property
    def id(self) -> str:
        return opaque("sweep", self.project.name, self.name)

    @property
    def name(self) -> str:
        return self.sweep.kept.id

    @property
    def method(self) -> Any:
        return self.sweep.config.get("method")

    @property
    def description(self) -> Any:
        return self.sweep.config.get("description")

    @property
    def state(self) -> str:
        return self.sweep.state(self.sweep.look())

    @property
    def config(self) -> str:
        return self.sweep.kept.config

    @property
    def created_at(self) -> str:
        return f"{self.sweep.kept.created[:19]}Z"

    @property
    def updated_at(self) -> str:
        return self.created_at

    @property
    def heartbeat_at(self) -> str:
        beats = [agent.heartbeat for agent in self.sweep.agents.values() if agent.heartbeat]
        return f"{max(beats)[:19]}Z" if beats else self.created_at

    @property
    def best_loss(self) -> float | None:
        best = self.sweep.summary()["best"]
        return best["score"] if best else None

    @property
    def run_count(self) -> int:
        return self.runs().total_count

    @property
    def run_count_expected(self) -> int | None:
        return self.sweep.expected

    def runs(self, after: str | None = None, first: int | None = None) -> Connection:
        """Return the sweep's runs, the oldest first."""
        found: Connection = self.project.runs(json.dumps({"sweep": self.name}), after, first)
        return found

    def agent(self, agent_name: str) -> AgentView | None:
        """Return the agent of that id."""
        found = self.sweep.agents.get(agent_name)
        return AgentView(found, self) if found else None

    def agents(self, after: str | None = None, first: int | None = None) -> Connection:
        """Return the agents that have come to this process."""
        return page([AgentView(each, self) for each in self.sweep.agents.values()], first, after)


@dataclass(frozen=True)
class AgentView:
    """An agent."""

    agent: Agent
    sweep: SweepView

    graphql_type = "Agent"

    @property
    def id(self) -> str:
        return self.agent.id

    @property
    def name(self) -> str:
        return self.agent.id

    @property
    def host(self) -> str:
        return self.agent.host

    @property
    def state(self) -> str:
        standing = self.sweep.sweep.look()
        going = any(standing.runs[run].is_open for run in self.agent.runs if run in standing.runs)
        return "RUNNING" if going else "FINISHED"

    @property
    def total_runs(self) -> int:
        return len(self.agent.runs)

    @property
    def created_at(self) -> str:
        return f"{self.agent.created[:19]}Z"

    @property
    def heartbeat_at(self) -> str:
        return f"{(self.agent.heartbeat or self.agent.created)[:19]}Z"

    def runs(
        self, after: str | None = None, first: int | None = None, order: str | None = None
    ) -> Connection:
        """Return the runs that the agent was given and has begun."""
        wanted = json.dumps({"name": {"$in": self.agent.runs}})
        found: Connection = self.sweep.project.runs(wanted, after, first, order)
        return found
