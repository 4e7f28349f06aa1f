"""raysweep: from raw data to a model tagged `best`, on Ray, with the lineage of every byte kept.

`run_sweep` is what `python -m raysweep run` calls, and `resume_sweep` what `resume` does. `sweeps`
lists the sweeps of a storage, `load_result` reads the result of one again, `load_model` gives a
trained model to predict with, and `write_report` writes a sweep's page. Importing this package is
quick: Ray, torch and the trackers are imported when a sweep starts.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from raysweep.home import ensure_home

if TYPE_CHECKING:
    from raysweep.notebook import resume_sweep, run_sweep
    from raysweep.report.report import write_report
    from raysweep.sweep.result import StoredResult, SweepResult
    from raysweep.sweep.stored import ListedSweep, load_result, sweeps
    from raysweep.trials.training.loaded_model import LoadedModel, load_model
    from raysweep.version import __version__

__all__ = [
    "ListedSweep",
    "LoadedModel",
    "StoredResult",
    "SweepResult",
    "__version__",
    "load_model",
    "load_result",
    "resume_sweep",
    "run_sweep",
    "sweeps",
    "write_report",
]

_MODULES = {
    "ListedSweep": "raysweep.sweep.stored",
    "LoadedModel": "raysweep.trials.training.loaded_model",
    "StoredResult": "raysweep.sweep.result",
    "SweepResult": "raysweep.sweep.result",
    "__version__": "raysweep.version",
    "load_model": "raysweep.trials.training.loaded_model",
    "load_result": "raysweep.sweep.stored",
    "resume_sweep": "raysweep.notebook",
    "run_sweep": "raysweep.notebook",
    "sweeps": "raysweep.sweep.stored",
    "write_report": "raysweep.report.report",
}
"""Each public name, and the module that it is imported from on its first use."""

ensure_home()  # before anything that looks for it is imported


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'raysweep' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
