"""Sweeps as agents ask for them, without a client: over the real store, and our samplers."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from raysweep.tracking.endpoint import processes, served_sweep
from raysweep.tracking.endpoint.graphql import Refusal
from raysweep.tracking.endpoint.live import LiveRun
from raysweep.tracking.endpoint.served_sweep import Agent, Sweep
from raysweep.tracking.endpoint.sweeps import Sweeping, Sweeps
from raysweep.tracking.port import RunSpec
from raysweep.tracking.trackio.recorded import recorded_sweep
from raysweep.tracking.trackio.store import TrackioStore
from raysweep.trials.program.agents import agent_search
from raysweep.trials.program.judged import metric_of

GRID = {
    "method": "grid",
    "program": "train.py",
    "metric": {"name": "loss", "goal": "minimize"},
    "parameters": {"lr": {"values": [3, 2, 1]}},
}
BAYES = {**GRID, "method": "bayes", "parameters": {"lr": {"min": 0.0, "max": 1.0}}}


class Served:
    """A project's sweeps in one process, and its runs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = TrackioStore(root, "p")
        self.live: dict[str, LiveRun] = {}
        self.interrupted = False
        sweeping = Sweeping(lambda store: store.sweeps, agent_search, lambda: ["p"])
        self.sweeps = Sweeps(self.store, self.live, sweeping, lambda: self.interrupted)

    def create(self, config: dict[str, Any]) -> Sweep:
        return self.sweeps.create(yaml.dump(config))

    def find(self, sweep: Sweep) -> Sweep:
        found = self.sweeps.find(sweep.kept.id)
        assert found is not None
        return found

    def agent(self, sweep: Sweep) -> Agent:
        agent = Agent(f"agent-{len(sweep.agents)}", "here", "")
        sweep.register(agent)
        return agent

    def begin(self, sweep: Sweep, agent: Agent) -> tuple[str, float]:
        """The run that the agent is given, begun, and its value."""
        (command,) = sweep.heartbeat(agent, set())
        assert command["type"] == "run", command
        run = str(command["run_id"])
        self.live[run] = LiveRun(self.store, RunSpec(run, run, "", ""))
        self.store.start_run(self.live[run].spec)
        return run, command["args"]["lr"]["value"]

    def log(self, run: str, *losses: float) -> None:
        for step, loss in enumerate(losses):
            line = f'{{"loss": {loss}, "_step": {step}}}'
            self.live[run].add_rows(step, [line], self.sweeps.heard)
        self.live[run].set_summary({"loss": losses[-1]})


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return Served(tmp_path)


def _exits(sweep: Sweep, agent: Agent) -> bool:
    return sweep.heartbeat(agent, set()) == [{"type": "exit"}]


def test_two_processes_share_a_sweep(served: Served, tmp_path: Path) -> None:
    other = Served(tmp_path)  # as another process has it: it knows only what is in the store
    here = served.create(BAYES | {"run_cap": 5})
    there = other.find(here)
    agents = served.agent(here), other.agent(there)
    tried = []
    for at, (sweep, process) in enumerate([(here, served), (there, other)] * 2):
        run, lr = process.begin(sweep, agents[at % 2])
        process.log(run, lr)
        process.live[run].end(0)
        tried.append(lr)
    run, lr = served.begin(here, agents[0])
    assert len({*tried, lr}) == 5
    assert _exits(there, agents[1])
    assert (here.state(here.look()), there.expected) == ("RUNNING", 5)
    served.log(run, lr)
    served.live[run].end(0)
    assert here.state(here.look()) == "FINISHED"
    assert there.summary()["best"]["score"] == min([*tried, lr])
    alone, suggested = agent_search(here.kept.config), []
    for number in range(5):  # as one process after the other
        values = alone.next()
        assert values is not None
        suggested.append(values["lr"])
        alone.tell(number, values["lr"])
    assert suggested == [*tried, lr]


def test_a_failed_run_has_no_score_and_is_not_tried_again(served: Served) -> None:
    sweep = served.create(GRID)
    agent = served.agent(sweep)
    failed, _ = served.begin(sweep, agent)
    served.log(failed, 0.5)
    served.live[failed].end(1)
    killed, lr = served.begin(sweep, agent)
    served.log(killed, 0.1)
    assert lr == 2
    assert sweep.heartbeat(agent, {killed}) == []
    last, lr = served.begin(sweep, agent)  # the agent names the killed one no more
    assert (lr, served.store.runs(run_id=killed)[0].state) == (1, "crashed")
    served.log(last, 7.0)
    served.live[last].end(0)
    assert _exits(sweep, agent)
    assert sweep.summary()["best"]["run"] == last


def test_what_falls_behind_is_asked_to_stop_and_then_told(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = {"type": "hyperband", "min_iter": 2, "eta": 3}
    sweep = served.create({**GRID, "early_terminate": rule})
    agent = served.agent(sweep)
    good, _ = served.begin(sweep, agent)
    served.log(good, 1.0, 1.0)
    served.live[good].end(0)
    bad, _ = served.begin(sweep, agent)
    served.log(bad, 2.0)
    assert not served.live[bad].stop_requested.is_set()
    served.log(bad, 2.0, 2.0)
    assert served.live[bad].stop_requested.is_set()
    assert sweep.heartbeat(agent, {bad}) == []
    monkeypatch.setattr(served_sweep, "GRACE_S", 0.0)
    assert sweep.heartbeat(agent, {bad}) == [{"type": "stop", "run_id": bad}]
    served.live[bad].end(255)  # as KeyboardInterrupt ends it
    served.begin(sweep, agent)
    assert served.store.runs(run_id=bad)[0].state == "finished"
    assert sweep.standing.runs[bad].score == 2.0


def test_a_user_pauses_ends_and_cancels_a_sweep(served: Served) -> None:
    sweep = served.create(GRID)
    agent = served.agent(sweep)
    sweep.set_state("PAUSED")
    assert sweep.heartbeat(agent, set()) == []
    sweep.set_state("RUNNING")
    run, _ = served.begin(sweep, agent)
    sweep.set_state("FINISHED")
    assert sweep.heartbeat(agent, {run}) == []
    assert _exits(sweep, served.agent(sweep))
    sweep.set_state("CANCELED")
    assert sweep.heartbeat(agent, {run}) == [{"type": "exit"}]


def _gone(_: str) -> bool:
    return False


@pytest.mark.parametrize("gone", [None, _gone])
def test_only_what_a_dead_process_had_going_is_handed_out_again(
    served: Served,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    gone: Callable[[str], bool] | None,
) -> None:
    sweep = served.create(GRID)
    agent = served.agent(sweep)
    ended, _ = served.begin(sweep, agent)
    served.log(ended, 0.5)
    served.live[ended].end(0)  # which nobody has recorded
    going, lr = served.begin(sweep, served.agent(sweep))
    other = Served(tmp_path)
    there = other.find(sweep)
    there._me = "another machine:1:1"
    if gone is not None:
        monkeypatch.setattr(served_sweep, "is_alive", gone)
    _, again = other.begin(there, other.agent(there))
    assert again == (lr if gone else 1)
    assert there.standing.runs[ended].score == 0.5
    assert there.standing.runs[going].cut is bool(gone)


def test_a_process_has_a_name_of_its_own() -> None:
    mine = processes.process_of(os.getpid())
    assert processes.is_alive(mine)
    assert not processes.is_alive(f"{mine}0")
    assert not processes.is_alive("elsewhere:1:1")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"method": "bayes", "metric": None}, "sweep: metric: "),
        ({"method": "bays"}, 'sweep: method: expected one of grid, random, bayes, got the text "b'),
        ({"repeats": 2}, "sweep: repeats: an agent runs each configuration once"),
    ],
)
def test_a_wrong_config_is_refused_in_one_line(
    served: Served, changes: dict[str, Any], text: str
) -> None:
    config = {key: value for key, value in {**GRID, **changes}.items() if value is not None}
    with pytest.raises(Refusal) as refusal:
        served.create(config)
    assert str(refusal.value).startswith(text)
    assert "\n" not in str(refusal.value)
    assert served.store.sweeps.sweeps() == []


def test_a_random_sweep_without_an_end_goes_on(served: Served) -> None:
    config = {**GRID, "method": "random", "parameters": {"lr": {"min": 0.0, "max": 1.0}}}
    del config["metric"]
    sweep = served.create(config)
    agent = served.agent(sweep)
    tried = set()
    for _ in range(5):
        run, lr = served.begin(sweep, agent)
        tried.add(lr)
        served.live[run].end(0)
    assert (len(tried), sweep.expected, sweep.summary()["best"]) == (5, None, None)


def test_a_sweep_without_a_metric_ranks_nothing_and_its_runs_end_well(served: Served) -> None:
    sweep = served.create({key: value for key, value in GRID.items() if key != "metric"})
    agent = served.agent(sweep)
    for code in (0, 1):
        run, _ = served.begin(sweep, agent)
        served.live[run].set_summary({"validation/accuracy": 50.0})
        served.live[run].end(code)
    served.begin(sweep, agent)
    kept = recorded_sweep(served.root, sweep.kept.id, metric_of)
    assert kept is not None
    assert [each["state"] for each in kept["trials"]] == ["ended", "failed", "running"]
    for summary in (kept, sweep.summary()):
        assert (summary["metric"], summary["goal"], summary["best"]) == (None, None, None)


def test_the_goal_follows_from_the_metrics_name(served: Served) -> None:
    sweep = served.create(GRID | {"metric": {"name": "validation/accuracy"}})
    agent = served.agent(sweep)
    for accuracy in (50.0, 90.0):
        run, _ = served.begin(sweep, agent)
        served.live[run].set_summary({"validation/accuracy": accuracy})
        served.live[run].end(0)
    assert _exits(sweep, agent) is False
    kept = recorded_sweep(served.root, sweep.kept.id, metric_of)
    assert kept is not None
    for summary in (kept, sweep.summary()):
        assert (summary["goal"], summary["best"]["score"]) == ("maximize", 90.0)
    assert [each["score"] for each in kept["trials"]] == [90.0, 50.0, None]


def test_a_run_that_its_agent_never_heard_of_is_handed_out_again(served: Served) -> None:
    sweep = served.create(GRID)
    agent = served.agent(sweep)
    (lost,) = sweep.heartbeat(agent, set())  # the answer does not arrive, and the client repeats
    run, lr = served.begin(sweep, agent)
    assert (run != lost["run_id"], lr) == (True, 3)
    assert [each.state for each in sweep.standing.runs.values()] == ["cut short", "running"]
    served.live[run].end(0)
    (failing,) = sweep.heartbeat(agent, set())  # it has it, and its script never comes to init
    assert sweep.heartbeat(agent, {failing["run_id"]}) == []
    (next_one,) = sweep.heartbeat(agent, set())
    assert next_one["args"]["lr"]["value"] == 1
    sweep.heartbeat(agent, set())  # maybe lost, but not for ever
    assert _exits(sweep, agent)
    assert sweep.state(sweep.look()) == "FINISHED"
