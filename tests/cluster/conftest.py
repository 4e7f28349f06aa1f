"""Start real Ray: two CPUs on this machine, one cluster per module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import ray

from raysweep.cluster import quiet
from raysweep.cluster.faststart import fork_server, lean
from raysweep.cluster.faststart.probe import probe, usable
from raysweep.trials.training.kind import PRELOAD


@pytest.fixture
def anew() -> Iterator[None]:
    """Probe Ray anew, as its names are changed: by default a process probes once."""
    probe.cache_clear()
    yield
    probe.cache_clear()


@pytest.fixture(scope="module")
def two_cpus() -> Iterator[None]:
    """Start Ray as a sweep does on this machine: workers are forked."""
    with fork_server.running(PRELOAD), _two_cpus():
        yield


@pytest.fixture(scope="module")
def two_cpus_of_a_cluster() -> Iterator[None]:
    """Start Ray as on a cluster: workers import what they need themselves."""
    with _two_cpus():
        yield


@contextmanager
def _two_cpus() -> Iterator[None]:
    quiet.apply_settings()
    with lean.patched(usable()):
        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="CRITICAL",
        )
    yield
    ray.shutdown()
