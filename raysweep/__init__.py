"""raysweep: from raw data to a model tagged `best`, on Ray, with the lineage of every byte kept.

`run_sweep` is what `python -m raysweep run` calls, and `resume_sweep` what `resume` does;
`load_model` gives a trained model to predict with. Importing this package is quick: Ray, torch and
the trackers are imported when a sweep starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from raysweep.home import ensure_home

if TYPE_CHECKING:
    from raysweep.sweep.result import SweepResult
    from raysweep.sweep.resume import resume_sweep
    from raysweep.sweep.sweep import run_sweep
    from raysweep.trials.training.loaded_model import LoadedModel, load_model
    from raysweep.version import __version__

__all__ = [
    "LoadedModel",
    "SweepResult",
    "__version__",
    "load_model",
    "resume_sweep",
    "run_sweep",
]

ensure_home()  # before anything that looks for it is imported


def __getattr__(name: str) -> Any:
    if name == "run_sweep":
        from raysweep.sweep.sweep import run_sweep

        return run_sweep
    if name == "resume_sweep":
        from raysweep.sweep.resume import resume_sweep

        return resume_sweep
    if name == "load_model":
        from raysweep.trials.training.loaded_model import load_model

        return load_model
    if name == "LoadedModel":
        from raysweep.trials.training.loaded_model import LoadedModel

        return LoadedModel
    if name == "SweepResult":
        from raysweep.sweep.result import SweepResult

        return SweepResult
    if name == "__version__":
        from raysweep.version import __version__

        return __version__
    raise AttributeError(f"module 'raysweep' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
