"""P5: Optuna with worker processes on the same cores, which share a journal file."""

from __future__ import annotations

import multiprocessing
import tempfile
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from benchmarks.peers import print_figures, settings
from benchmarks.peers.tutorial import new_model, train_epochs


def work(asked: dict[str, Any], journal: str) -> None:
    """Run trials in a worker until the grid is done."""
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    wanted = {name: asked[name] for name in ("batch_size", "epochs")}

    def objective(trial: optuna.Trial) -> float:
        lr = trial.suggest_categorical("lr", asked["learning_rates"])
        epochs = train_epochs(new_model(asked["model"]), asked["folder"], lr=lr, **wanted)
        return max(each["validation/accuracy"] for each in epochs)

    study = _study(asked, journal)
    study.optimize(objective)  # GridSampler stops it


def _study(asked: dict[str, Any], journal: str) -> optuna.Study:
    return optuna.create_study(
        study_name="grid",
        storage=JournalStorage(JournalFileBackend(journal)),
        sampler=optuna.samplers.GridSampler({"lr": asked["learning_rates"]}, seed=0),
        direction="maximize",
        load_if_exists=True,
    )


def main() -> None:
    """Start one worker per CPU."""
    asked = settings()
    with tempfile.TemporaryDirectory() as folder:
        journal = str(Path(folder, "journal.log"))
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = _study(asked, journal)
        spawn = multiprocessing.get_context("spawn")
        workers = [spawn.Process(target=work, args=(asked, journal)) for _ in range(asked["cpus"])]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
            assert worker.exitcode == 0, "a worker died"
        values = [trial.value for trial in study.trials if trial.value is not None]
        assert len(values) >= len(asked["learning_rates"])
    print_figures(accuracies=values)


if __name__ == "__main__":
    main()
