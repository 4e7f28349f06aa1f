"""A W&B-protocol server for the tests: a stand-in on loopback for the *unmodified* client.

It is not W&B. It is written from the client's side (wandb 0.31.0): from the requests that the
client sends on raysweep's paths, the response models that its wheel carries, and its documentation.

    with lent() as server:               # the client's environment is set, for children too
        server.inject("CommitArtifact", faults.cut(after=True))
        subprocess.run([sys.executable, "-m", "raysweep", "run", "--tracker", "wandb"])
        wandb.Api().runs(f"{server.entity}/artifacts-example")

Strict: an operation, field, argument or route that it does not know fails the test that caused it
(`Violation`), and so does an answer that the client's own models refuse. What breaks a rule is
refused as W&B would (`Refusal`): a wrong key or MD5, a commit with a blob missing, an artifact used
before it is committed, a name of another type.

What could not be known of the real server, and what is done here:

- The GraphQL schema is private; `schema.graphql` holds what the client asks for.
- Status codes and words of refusals. Here 400, 401, 403 and 404, with GraphQL's `errors`.
- When a version gets its number. Here at the commit; two uncommitted artifacts of equal content
  become two versions, and only committed ones are deduplicated.
- Whether a run that logs what is a version already has it among its outputs. Here it has, and the
  version keeps its first producer and moves its aliases.
- What an answer that got lost does to a request sent again. Here `createArtifact` is known by its
  client id and `commitArtifact` by its state, and neither happens twice.
- How NaN and the infinities come back. The client sends them as bare words; here they return as
  the strings "NaN", "Infinity" and "-Infinity".
- Rows of one step in two runs of a process. The client drops the later; here both would stay.
- When a silent run is `crashed` (W&B: some minutes after its last heartbeat). Here never.
- Sampling of long histories, exports to parquet, and paging by anything but position. Here all
  rows are live and none is left out.
- What of a sweep's config W&B warns of. Here a key or a distribution that its schema lacks is
  refused, and sweeps are made only: no agent, no suggestion, no stop.
- What a reference's bytes are. Here it is kept as it is told.
- Multipart uploads, registries, teams and launch: not here.
"""

from wandb_server import faults
from wandb_server.lend import end, lent
from wandb_server.server import WandbServer

__all__ = ["WandbServer", "end", "faults", "lent"]
