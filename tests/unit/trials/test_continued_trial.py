"""A trial whose process died continues in another, as the same run, and no report is sent twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from raysweep.config import Config
from raysweep.ml.weights import load_weights
from raysweep.search.population import Population
from raysweep.search.spec import TrialSpec
from raysweep.storage.journal import Journal
from raysweep.trials.training.workload import Training
from raysweep.trials.trial import TrialSession

from workshop import Workshop, training

EPOCHS = 3


def continued(workshop: Workshop, config: Config, told: int | None, **changes: Any) -> TrialSession:
    """Open the trial in its next process. `told`: how many epochs the driver has received."""
    values = {key: each.at(0) for key, each in config.sweep.space().items()}
    context = workshop.context(config, **changes)
    return TrialSession(Training(), context, TrialSpec(0, values, told=told))


def finish(session: TrialSession) -> None:
    """Train the remaining epochs."""
    while not session.done:
        session.step()


def model_of(workshop: Workshop, name: str, folder: Path) -> tuple[dict[str, torch.Tensor], Any]:
    run = workshop.tracker.run(workshop.sweep.run_id(name))
    models = [ref for ref in run.logged if ref.startswith("trained-model")]
    assert len(models) == 1, "one model a trial, however many processes it took"
    version = workshop.tracker.download(models[0], folder)
    return load_weights(folder / "trained_model.pth"), version.metadata


def assert_as_undisturbed(workshop: Workshop, config: Config, folder: Path, **changes: Any) -> None:
    """Assert that the trial's model and history equal those of an undisturbed trial."""
    workshop.trained(config, "trial-0001", **changes)
    (weights, metadata), (expected, theirs) = (
        model_of(workshop, name, folder / name) for name in ("trial-0000", "trial-0001")
    )
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in weights)
    assert metadata["metrics"] == theirs["metrics"]
    run, other = (workshop.tracker.run(workshop.sweep.run_id(f"trial-000{i}")) for i in (0, 1))
    assert (run.state, run.error) == ("finished", None)
    assert workshop.tracker.history(run.id) == workshop.tracker.history(other.id)
    assert rows(workshop, run.id) == rows(workshop, other.id), "and no row is there twice"


def rows(workshop: Workshop, run_id: str) -> int:
    return len(workshop.tracker.store.rows(run_id))  # type: ignore[attr-defined]


@pytest.mark.parametrize("trained", [1, 2, EPOCHS])
@pytest.mark.parametrize("lost", [0, 1, 2])
def test_lost_reports_are_sent_and_the_remaining_epochs_trained(
    workshop: Workshop, make_config: Callable[..., Config], tmp_path: Path, trained: int, lost: int
) -> None:
    """The driver did not receive the last `lost` of the `trained` epochs."""
    if lost > trained:
        pytest.skip("cannot lose more than there is")
    config = make_config(train={"schedule": "one-cycle", "epochs": EPOCHS})
    first = workshop.session(config)
    told = [first.step() for _ in range(trained)][: trained - lost]
    second = continued(workshop, config, told=len(told))
    while len(told) < EPOCHS:
        told.append(second.step())
        assert second.report.epochs == len(told)
    if not lost and trained == EPOCHS:
        second.close_again()
    assert second.done
    assert [metrics["epoch"] for metrics in told] == list(range(EPOCHS))
    assert_as_undisturbed(workshop, config, tmp_path)


def test_one_that_died_in_an_epoch_drops_the_rows_of_that_epoch(
    workshop: Workshop, config: Config, tmp_path: Path
) -> None:
    first = workshop.session(config)
    first.step()
    run, trainer = training(first)._started()
    loss = next(iter(trainer.epoch()))
    run.log({"epoch": 1, "train/loss": loss.loss}, step=loss.examples)  # type: ignore[union-attr]
    second = continued(workshop, config, told=1)
    finish(second)
    assert_as_undisturbed(workshop, config, tmp_path)


def test_one_that_died_in_its_first_epoch_starts_again(
    workshop: Workshop, config: Config, tmp_path: Path
) -> None:
    workshop.session(config)._open()
    second = continued(workshop, config, told=0)
    finish(second)
    assert_as_undisturbed(workshop, config, tmp_path)


def test_one_that_was_stopped_and_died_still_logs_its_model(
    workshop: Workshop, config: Config, tmp_path: Path
) -> None:
    first = workshop.session(config)
    first.step()
    weights = training(first).best.weights
    continued(workshop, config, told=1).close_again()
    logged, metadata = model_of(workshop, "trial-0000", tmp_path / "model")
    assert all(torch.equal(logged[name], weights[name]) for name in weights)
    assert metadata["stopped"] is True


def test_the_best_epoch_is_kept(workshop: Workshop, config: Config, tmp_path: Path) -> None:
    """The loss falls, so with goal maximize the first epoch is the best."""
    worst = {"metric": "validation/loss", "goal": "maximize"}
    workshop.session(config, **worst).step()
    second = continued(workshop, config, told=1, **worst)
    finish(second)
    assert model_of(workshop, "trial-0000", tmp_path / "one")[1]["metrics"]["epoch"] == 0
    assert_as_undisturbed(workshop, config, tmp_path, **worst)


def test_a_clone_continues_as_a_clone(
    workshop: Workshop, make_config: Callable[..., Config]
) -> None:
    rates = {"learning_rate": {"distribution": "uniform", "min": 0.001, "max": 0.1}}
    pbt = {"quantile": 0.5, "resample_probability": 0}
    sweep = {"method": "random", "run_cap": 2, "parameters": rates, "pbt": pbt}
    config = make_config(sweep=sweep, train={"schedule": "none"})
    population = Population(config)

    def session(index: int, rate: float, told: int | None = None) -> TrialSession:
        context = workshop.context(config, population=population)
        spec = TrialSpec(index, {"learning_rate": rate}, told=told)
        return TrialSession(Training(), context, spec)

    good, bad = session(0, 0.02), session(1, 0.001)
    good.step()
    bad.step()
    assert bad.report.cloned is not None
    undisturbed = bad.step()
    again = session(1, 0.001, told=1)
    assert again.step() == undisturbed, "with the values and the weights that it had taken over"
    assert training(again).clones[0]["parent"] == "trial-0000"


def _kept(workshop: Workshop, trial: str = "trial-0000") -> list[Path]:
    """Return the trial's checkpoints, oldest first."""
    return sorted(workshop.inputs.with_name("checkpoints").glob(f"{trial}-*"))


def damage(path: Path) -> None:
    """Change the file's last byte."""
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def empty(path: Path) -> None:
    """Empty the file, as a power cut does if its name reached the disk before its bytes."""
    path.write_bytes(b"")


@pytest.mark.parametrize("spoil", [damage, empty, Path.unlink])
@pytest.mark.parametrize("spoilt", [1, 2])
def test_epochs_whose_checkpoints_are_lost_are_trained_again_and_not_reported_again(
    workshop: Workshop,
    config: Config,
    tmp_path: Path,
    spoil: Callable[[Path], None],
    spoilt: int,
) -> None:
    """Of two checkpoints one or both are lost: it continues from the first, or begins again."""
    first = workshop.session(config)
    first.step()
    told = first.step()
    for path in _kept(workshop)[-spoilt:]:
        spoil(path)
    second = continued(workshop, config, told=2)
    third = second.step()
    assert (second.report.epochs, third["epoch"]) == (3, 2), "the next, after those that were told"
    assert second._reports[1].metrics == told
    finish(second)
    assert_as_undisturbed(workshop, config, tmp_path)


@pytest.mark.parametrize("lost", [0, 1])
def test_a_checkpoint_whose_rows_are_lost_is_not_used(
    workshop: Workshop, config: Config, tmp_path: Path, lost: int
) -> None:
    """A power cut loses the store's last rows, but not the checkpoint that was saved after them."""
    first = workshop.session(config)
    first.step()
    ends = first.report.examples
    first.step()
    spec = workshop.sweep.run("trial-0000", "train", {})
    workshop.tracker.start_run(spec, after=ends if lost else ends - 1)
    second = continued(workshop, config, told=2)
    second.step()
    finish(second)
    assert_as_undisturbed(workshop, config, tmp_path)


def test_one_that_the_store_does_not_know_begins_again_as_the_same_run(
    workshop: Workshop, config: Config, tmp_path: Path
) -> None:
    continued(workshop, config, told=EPOCHS).close_again()
    assert_as_undisturbed(workshop, config, tmp_path)


def test_one_that_the_journal_does_not_know_begins_without_the_rows_that_are_there(
    workshop: Workshop, config: Config, tmp_path: Path
) -> None:
    """A power cut lost the journal's line of its start, but not the rows that it logged."""
    workshop.session(config).step()
    finish(workshop.session(config, resumed=True))
    assert_as_undisturbed(workshop, config, tmp_path)


def test_a_checkpoint_every_so_many_epochs(
    workshop: Workshop, make_config: Callable[..., Config], tmp_path: Path
) -> None:
    config = make_config(train={"epochs": 5}, resources={"checkpoint_every": 2})
    first = workshop.session(config)
    for _ in range(3):
        first.step()
    assert [path.name[:16] for path in _kept(workshop)] == ["trial-0000-e0002"]
    second = continued(workshop, config, told=3)
    assert second.step()["epoch"] == 3
    finish(second)
    assert_as_undisturbed(workshop, config, tmp_path)


def test_a_member_of_a_population_repeats_its_clone(
    workshop: Workshop, make_config: Callable[..., Config], tmp_path: Path
) -> None:
    """Other trials have reported that epoch meanwhile, so a new choice would differ."""
    rates = {"learning_rate": {"distribution": "uniform", "min": 0.001, "max": 0.1}}
    sweep = {"method": "random", "run_cap": 3, "parameters": rates, "pbt": {"quantile": 0.5}}
    config = make_config(sweep=sweep, train={"schedule": "none"})
    journal = Journal(tmp_path / "journal")
    first = Population(config)

    def session(
        index: int, rate: float, told: int | None = None, population: Population = first
    ) -> TrialSession:
        context = workshop.context(config, population=population)
        spec = TrialSpec(index, {"learning_rate": rate}, told=told)
        return TrialSession(Training(), context, spec)

    def step(trial: TrialSession, index: int) -> None:
        trial.step()
        journal.write("epoch", index=index, ends=False, **trial.report.plain())

    good, bad, better = session(0, 0.005), session(1, 0.001), session(2, 0.03)
    step(good, 0)
    step(bad, 1)
    step(better, 2)
    assert bad.report.cloned is not None
    cloned = bad.report.cloned
    undisturbed = bad.step()
    for path in _kept(workshop, "trial-0001"):
        path.unlink()
    for population in (first, Population(config, tmp_path / "journal")):
        again = session(1, 0.001, 1, population)
        assert again.step() == undisturbed
        assert again._reports[0].cloned == cloned
        for path in _kept(workshop, "trial-0001"):
            path.unlink()
