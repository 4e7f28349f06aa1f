"""A sweep of which some trials fail until their cause is mended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from sweeps import digits

TRAINER = """
from pathlib import Path
from raysweep.ml.training import Trainer

class Fragile(Trainer):
    def __init__(self, model, training, validation, *, seed, device=None, epochs=2, batch_size=64,
                 learning_rate=0.01, broken=""):
        super().__init__(model, training, validation, seed=seed, device=device, epochs=epochs,
                         batch_size=batch_size, learning_rate=learning_rate)
        self.rate, self.broken = learning_rate, Path(broken)

    def epoch(self):
        broken = self.broken.exists() and str(self.rate) in self.broken.read_text().split()
        if broken and self.epochs_done == 1:
            raise ValueError(f"no loss for {self.rate}")
        yield from super().epoch()
"""
"""Of a module `fragile`: a trial fails in its second epoch if its rate stands in a file."""


def config_of(broken: Path, rates: list[float], **keys: Any) -> dict[str, Any]:
    sweep = {"method": "grid", "parameters": {"learning_rate": {"values": rates}}, **keys}
    config = digits(sweep)
    config["train"] = {"target": "fragile:Fragile", "epochs": 2, "batch_size": 64}
    config["train"] |= {"broken": str(broken), "learning_rate": 0.01}
    config["resources"] |= {"max_concurrent": 1}
    return config


def written(folder: Path, rates: list[float], **sections: Any) -> tuple[Path, Path]:
    """The config and its module in `folder`, for a command that is called there; and the file of
    the rates that fail."""
    broken = folder / "broken"
    (folder / "fragile.py").write_text(TRAINER)
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump({**config_of(broken, rates), **sections}))
    return path, broken
