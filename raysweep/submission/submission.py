"""Submit a sweep as a job to Ray's job server."""

from __future__ import annotations

import os
import secrets
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from raysweep.addresses import is_uri
from raysweep.cluster import quiet
from raysweep.config import Config
from raysweep.errors import JobFailed
from raysweep.storage.storage import check_name, new_sweep_name
from raysweep.submission import job_server, shipment
from raysweep.submission.job_log import RESULT, STARTED
from raysweep.sweep import preflight
from raysweep.sweep.environment import with_project
from raysweep.tracking import choose


@dataclass(frozen=True)
class Submission:
    """A submitted sweep: the job's id, the sweep's name, and its storage on the cluster.

    `notices` are lines for the submitter.
    """

    address: str
    job: str
    sweep: str
    storage: str
    notices: tuple[str, ...] = ()

    def to_json(self) -> dict[str, str]:
        """Convert to the output of `submit --no-wait --json`."""
        return {
            "job": self.job,
            "sweep": self.sweep,
            "storage": self.storage,
            "address": self.address,
        }


def submit(
    config: Config,
    address: str,
    *,
    name: str | None = None,
    verbose: bool = False,
    fail_fast: bool = False,
    report: bool = False,
    warm_start: Sequence[str] = (),
) -> Submission:
    """Check all that can be checked here, then submit the sweep to the job server at `address`.

    `fail_fast`, `report`: as of `run`. The page goes into the sweep's folder on the head machine;
    of a sweep at a URI the job writes none, since its working folder is deleted.

    Raises UserError for wrong input, or if the server is unreachable or has other versions (nothing
    has been sent then); JobFailed if the server rejects the sweep.
    """
    address = job_server.check_address(address)
    config = with_project(config)
    preflight.check_config(config)
    shipment.check_data(config)
    storage = shipment.storage_there(config)
    if name is not None:
        check_name(name)
    job_server.check_extra()
    job_server.check_versions(address)
    chosen = {
        "--verbose": verbose,
        "--fail-fast": fail_fast,
        "--report": report and not is_uri(storage),
    }
    options = [option for option, wanted in chosen.items() if wanted]
    name = name or new_sweep_name(config.sweep.name or "sweep")
    job = f"{name}-{secrets.token_hex(2)}"  # a sweep of that name may be in another storage
    with quiet.silenced(verbose), tempfile.TemporaryDirectory(prefix="raysweep-") as temp:
        folder = Path(temp)
        shipment.pack(config, storage, folder)
        try:
            job_server.client(address).submit_job(
                entrypoint=entry_point(name, warm_start, options),
                submission_id=job,
                runtime_env={"working_dir": temp, "env_vars": shipment.environment()},
                metadata={"raysweep_sweep": name, "raysweep_storage": storage},
            )
        except (RuntimeError, ValueError, OSError) as error:  # requests' errors are OSErrors
            why = " ".join(str(error).split())
            raise JobFailed(f"--address {address}: rejected the sweep: {why}") from error
    return Submission(address, job, name, storage, (*config.notices, *key_stays(config)))


def entry_point(name: str, warm_start: Sequence[str], options: Sequence[str] = ()) -> str:
    """Build the job's shell command. `options`: more of `run`'s, without a value.

    A job's log merges stdout and stderr. So stdout, which is the result, is captured and printed at
    the end, in a line with a prefix.
    """
    command = ["python", "-m", "raysweep", "run", shipment.CONFIG, "--address", "auto", "--json"]
    command += ["--name", name, *options]
    if warm_start:
        command += ["--warm-start", *warm_start]
    return (
        f"echo {STARTED}; "
        f'export RAYSWEEP_DATA="${{RAYSWEEP_DATA:-$HOME/{shipment.USUAL_DATA}}}"; '
        f"result=$({shlex.join(command)}); code=$?; "
        f"[ -z \"$result\" ] || printf '\\n%s%s\\n' '{RESULT}' \"$result\"; exit $code"
    )


def key_stays(config: Config, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return a notice if the W&B key is in a file of this machine, which is not sent."""
    if config.tracking.backend == "trackio" or environ.get("WANDB_API_KEY"):
        return []
    if choose("auto", environ).backend != "wandb":
        return []
    return [
        "no W&B key is sent, since `wandb login` keeps it in a file of this machine; set "
        "WANDB_API_KEY to send it, else the cluster's own settings count"
    ]
