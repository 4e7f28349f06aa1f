"""kill -9 at moments drawn by lot, of a driver, a trial, the writer, a node: all rounds end alike.

Four rounds on a cluster, each with another first target, sixteen in which the whole sweep is one
process, which is cheaper, and two of a program, with its process and its supervisor as targets.
RAYSWEEP_CHAOS_ROUNDS asks for so many on a cluster, as does `scripts/chaos N`; RAYSWEEP_CHAOS_SEED
for others.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import chaos_program
import pytest
import yaml

from chaos import TARGETS, Cluster, Round, left_over
from commands import environment
from family import still_alive
from outcomes import outcome
from sweeps import HAS_LOCAL_MODE, digits, stored
from warm import Warm, warm

ROUNDS = int(os.environ.get("RAYSWEEP_CHAOS_ROUNDS", len(TARGETS)))
IN_ONE_PROCESS = 16
FIRST = int(os.environ.get("RAYSWEEP_CHAOS_SEED", 0))

SMALL = {
    "data": {"train_size": 300},
    "model": {"hidden_layer_sizes": [2, 4]},
    "train": {"epochs": 3},
}
"""The less a trial computes, the more of its time is between steps, where it should be killed."""

RATES = {"learning_rate": {"distribution": "log_uniform_values", "min": 0.003, "max": 0.1}}
RANDOM = {"method": "random", "run_cap": 12, "parameters": RATES}
LEARNING = {
    "method": "bayes",
    "run_cap": 8,
    "parameters": {"learning_rate": {"values": [0.003, 0.01, 0.03, 0.1]}},
    "sampler": {"type": "tpe", "n_startup_trials": 4},
    "early_terminate": {"type": "hyperband", "min_iter": 1, "eta": 2},
}


@pytest.fixture(scope="module")
def temporary() -> Iterator[Path]:
    """TMPDIR of the cluster, and of the drivers of programs."""
    with chaos_program.temporary_folder() as made:
        yield made


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, temporary: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("raylets"), TMPDIR=str(temporary)).up() as made:
        yield made


@pytest.fixture(scope="module")
def drivers() -> Iterator[Warm]:
    with warm() as made:
        yield made


@pytest.fixture(scope="module")
def begin(
    cluster: Cluster, drivers: Warm, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Round]:
    """Return `begin(kind, name, seed)`, which starts a round; rounds of a kind share a storage."""
    folder = tmp_path_factory.mktemp("chaos")

    def make(kind: str, name: str, seed: int, *, one_process: bool = False) -> Round:
        sweep = RANDOM if kind == "random" else LEARNING
        config = folder / f"{kind}.yaml"
        config.write_text(yaml.safe_dump(digits(sweep, **SMALL)))
        where = "one process" if one_process else cluster
        return Round(drivers, where, config, folder / f"{kind}-runs", name, random.Random(seed))

    return make


@pytest.fixture(scope="module")
def expected(begin: Callable[..., Round]) -> dict[str, Any]:
    """Run the sweep undisturbed and return its result; its stages were made before."""
    for name in ("first", "undisturbed"):
        one = begin("random", name, 0)
        one.undisturbed()
    return outcome(one.storage, "undisturbed")


def targets_of(seed: int) -> list[str]:
    """Choose what to kill: in four rounds, each kind is first once; one or two may follow."""
    rng = random.Random(f"targets {seed}")
    return [TARGETS[seed % len(TARGETS)], *rng.choices(TARGETS, k=rng.randint(0, 2))]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(FIRST, FIRST + ROUNDS))
def test_whatever_is_killed_the_sweep_ends_alike(
    seed: int, begin: Callable[..., Round], expected: dict[str, Any], cluster: Cluster
) -> None:
    one = begin("random", f"round-{seed}", seed)
    one.disturbed(targets_of(seed))
    assert_alike(one, expected)
    assert left_over(cluster) == [], one.story()


@pytest.mark.skipif(not HAS_LOCAL_MODE, reason="this Ray has no local mode")
@pytest.mark.parametrize("seed", range(FIRST, FIRST + IN_ONE_PROCESS))
def test_so_it_does_in_one_process(
    seed: int, begin: Callable[..., Round], expected: dict[str, Any]
) -> None:
    one = begin("random", f"one-process-{seed}", 1000 + seed, one_process=True)
    if seed % 2:  # one that makes its stages, too
        one.storage = one.storage.with_name(f"runs-of-{seed}")
        expected = outcome(one.config.parent / "random-runs", "first")
    one.disturbed(["driver"] * (1 + seed % 3 // 2))
    assert_alike(one, expected)


def assert_alike(one: Round, expected: dict[str, Any]) -> None:
    """Check the expected result, consecutive versions, and that nothing is left behind."""
    came = outcome(one.storage, one.name)
    for what in expected:
        assert came[what] == expected[what], one.story()
    tracker = stored(one.storage).tracker()
    versions = [
        int(ref.rpartition(":v")[2])
        for run in tracker.runs()
        for ref in run.logged
        if ref.startswith("trained-model:")
    ]
    tracker.close()
    assert sorted(versions) == list(range(len(versions))), "contiguous, and none twice"
    assert not list(one.storage.glob("*/running.lock"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(FIRST, FIRST + max(1, ROUNDS // 4)))
def test_with_a_sampler_and_a_scheduler_each_configuration_agrees(
    seed: int, begin: Callable[..., Round]
) -> None:
    """The configurations depend on the order of results; the result of each one does not."""
    calm, one = begin("learning", f"calm-{seed}", seed), begin("learning", f"round-{seed}", seed)
    if not (calm.storage / calm.name).exists():
        calm.undisturbed()
    one.disturbed(["driver", *targets_of(seed)])
    by_values = [epochs(each) for each in (calm, one)]
    both = by_values[0].keys() & by_values[1].keys()
    assert both, "they have configurations and epochs in common"
    for key in both:
        assert by_values[0][key] == by_values[1][key], one.story()
    came = outcome(one.storage, one.name)
    assert came["result"]["trials"]["total"] == 8
    assert came["result"]["trials"]["failed"] == 0
    assert {run["state"] for run in came["runs"].values()} == {("finished", None)}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(FIRST, FIRST + max(2, ROUNDS // 4)))
def test_a_sweep_of_a_program_ends_alike(
    seed: int, cluster: Cluster, drivers: Warm, tmp_path: Path, temporary: Path
) -> None:
    """In turn on a cluster, with a Ray of the driver's own, and in one process."""
    rng = random.Random(f"programs {seed}")
    where: Any = [cluster, "own Ray", "one process" if HAS_LOCAL_MODE else cluster][seed % 3]
    trials = 3 if len(TARGETS) < ROUNDS else 2
    config, env = chaos_program.write(tmp_path, trials), {"TMPDIR": str(temporary)}
    limits = {"most_lines": 5, "most_s": 1.0}
    before = chaos_program.left_in(temporary)  # by rounds without a program
    one = Round(drivers, where, config, tmp_path / "runs", "round", rng, **limits, env=env)
    one.disturbed(chaos_program.targets_of(seed, trials))
    chaos_program.assert_whole(one.storage, one.name, one.story(), trials=trials)
    chaos_program.assert_nothing_left(temporary, before, one.story())
    ours = left_over(cluster) if where is cluster else still_alive(one.seen)
    assert ours == [], one.story()


COLLECTS = """
import os, signal, sys, time
from pathlib import Path

import ray
from ray.exceptions import RayActorError

from raysweep.cluster.logs import SweepLogs
from raysweep.cluster.nodes import on_node, this_node
from raysweep.cluster.open_log import sent_file
from raysweep.cluster.remote_store import RemoteStore

base = Path(sys.argv[2])

def spool():
    return base / this_node()

class Trial:
    def prints(self, logs, run, dies):
        with logs.open(run) as log:
            log.write("shipped\\n")
            spooled = spool() / "logs" / f"{run}.{os.getpid()}"
            while not sent_file(spooled).exists():
                time.sleep(0.05)
            os.write(log.fileno(), b"last words\\n")
            if dies:
                os.kill(os.getpid(), signal.SIGKILL)

ray.init(address=sys.argv[1], log_to_driver=False)
store = RemoteStore.start(base / "tracker", "project", base / "checkpoints")
logs = SweepLogs(store, base / "logs", spool, 1.0)
here = this_node()
others = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["NodeID"] != here]
for number, node in enumerate(others):
    trial = ray.remote(Trial).options(num_cpus=0, **on_node(node)).remote()
    try:
        ray.get(trial.prints.remote(logs, f"trial-{number:04d}", dies=number > 0))
    except RayActorError:
        pass
logs.collect()
logs.collect()
left = [path.name for path in base.glob("*/logs/*")]
logged = [path.read_text() for path in sorted((base / "logs").iterdir())]
(base / "told").write_text(repr((logged, left)))
store.stop()
"""


def test_what_a_killed_process_had_printed_is_collected_once(
    cluster: Cluster, tmp_path: Path
) -> None:
    """From the nodes, which are not the driver's: of one run that ends, and one that is killed."""
    done = subprocess.run(
        [sys.executable, "-c", COLLECTS, cluster.address, str(tmp_path)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    whole = "shipped\nlast words\n"
    assert (tmp_path / "told").read_text() == repr(([whole, whole], []))


def epochs(one: Round) -> dict[tuple[float, int], Any]:
    """Map (learning rate, examples seen) to the report there, and the weights of a best epoch."""
    found: dict[tuple[float, int], Any] = {}
    for name, run in outcome(one.storage, one.name)["runs"].items():
        if name.startswith("trial-"):
            rate = run["config"]["train"]["learning_rate"]
            for row in run["history"]:
                found[rate, row["step"]] = row
            best = run["summary"]["epoch"]
            found[rate, -best] = run["logged"]
    return found
