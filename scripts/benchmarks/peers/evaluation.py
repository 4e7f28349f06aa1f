"""Run only the evaluation, raysweep's or the tutorial's (P1)."""

from __future__ import annotations

import time

import torch
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.peers import print_figures, settings, tutorial
from raysweep.ml.compute import keep_freed_memory
from raysweep.ml.convnet import ConvNet
from raysweep.ml.evaluation import classify
from raysweep.ml.protocols import Split


def main() -> None:
    """Evaluate a few images to warm up, then time the whole test split."""
    asked = settings()
    torch.set_num_threads(asked["cpus"])
    testing = tutorial.read(asked["folder"], "test")
    weights = torch.load(asked["model"])
    if asked["who"] == "raysweep":
        keep_freed_memory()
        model = ConvNet(**tutorial.MODEL_CONFIG)
        model.load_state_dict(weights)
        split = Split(*testing.tensors)
        classify(model, Split(split.x[:250], split.y[:250]))
        began = time.perf_counter()
        found = classify(model, split)
        scored_s = time.perf_counter() - began
        accuracy, hardest = found.accuracy, found.hardest.indices
    else:
        network = tutorial.new_model(asked["model"])
        tutorial.test(network, DataLoader(TensorDataset(*testing[:250]), 128))
        loader = DataLoader(testing, batch_size=128, shuffle=False)
        began = time.perf_counter()
        _, accuracy, hardest = tutorial.evaluate(network, testing, loader)
        scored_s = time.perf_counter() - began
    print_figures(scored_s=scored_s, accuracy=accuracy, hardest=sorted(hardest.tolist()))


if __name__ == "__main__":
    main()
