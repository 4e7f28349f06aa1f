"""Real Ray, with real processes: two CPUs on this machine, a cluster for each module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import ray

from raysweep.pipeline.cluster import fork_server, lean, quiet


@pytest.fixture(scope="module")
def two_cpus() -> Iterator[None]:
    quiet.apply_settings()
    with fork_server.running():
        with lean.started():
            ray.init(
                address="local",
                num_cpus=2,
                include_dashboard=False,
                log_to_driver=False,
                logging_level="CRITICAL",
            )
        yield
        ray.shutdown()
