"""With the fast start switched off by the config, no fork server is started."""

from __future__ import annotations

import sys

import pytest

from raysweep.cluster.faststart import fork_server


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no fork server")
@pytest.mark.parametrize("wanted", [True, False])
def test_a_command_starts_a_fork_server_only_where_it_may(wanted: bool) -> None:
    before = fork_server.address()
    with fork_server.running_for(None, local_mode=False, fast_start=wanted):
        assert (fork_server.address() is not None) == (wanted or before is not None)
    assert fork_server.address() == before
