"""L, the limit: raysweep's training, run in parallel by a script without Ray, tracker, checkpoints
or saved models."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.peers import print_figures, settings
from benchmarks.peers.tutorial import MODEL_CONFIG
from raysweep.ml import datasets
from raysweep.ml.compute import keep_freed_memory, use_threads
from raysweep.ml.convnet import ConvNet
from raysweep.ml.protocols import EpochMetrics
from raysweep.ml.training import Trainer


def work(asked: dict[str, Any], todo: Any, ready: Any, done: Any) -> None:
    """Train in a worker until the queue is empty."""
    use_threads(1)
    keep_freed_memory()
    device = torch.device(asked["device"])
    folder = Path(asked["folder"])
    training, validation = (
        datasets.read_split(folder / f"{name}.pt") for name in ("training", "validation")
    )
    if device.type == "cuda":
        torch.zeros(1, device=device)  # creates the CUDA context: start-up, not training
    ready.wait()
    while (lr := todo.get()) is not None:
        began = time.time()
        model = ConvNet(**MODEL_CONFIG)
        model.load_state_dict(torch.load(asked["model"]))
        trainer = Trainer(
            model, training, validation, seed=0, device=device, learning_rate=lr, **asked["train"]
        )
        accuracies = []
        while not trainer.done:
            for report in trainer.epoch():
                if isinstance(report, EpochMetrics):
                    accuracies.append(report.values["validation/accuracy"])
        done.put((began, time.time(), max(accuracies)))


def main() -> None:
    """Distribute the learning rates over `workers` processes."""
    asked = settings()
    spawn = multiprocessing.get_context("spawn")
    todo, done, ready = spawn.Queue(), spawn.Queue(), spawn.Barrier(asked["workers"])
    rates = asked["learning_rates"]
    for lr in [*rates, *[None] * asked["workers"]]:
        todo.put(lr)
    workers = [
        spawn.Process(target=work, args=(asked, todo, ready, done)) for _ in range(asked["workers"])
    ]
    for worker in workers:
        worker.start()
    trained = [done.get() for _ in rates]
    for worker in workers:
        worker.join()
    began, ended, accuracies = zip(*trained, strict=True)
    print_figures(trained_s=max(ended) - min(began), accuracies=list(accuracies))


if __name__ == "__main__":
    main()
