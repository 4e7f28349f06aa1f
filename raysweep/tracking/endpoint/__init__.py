"""The embedded tracker as a W&B server on loopback, for programs that log with the `wandb` client.

The unmodified client is pointed at it by its environment (`Endpoint.environ`). It keeps what the
client says in the embedded store as it comes, and answers from there.

Why it looks like this: W&B's GraphQL schema is private and changes with each client. So a document
is parsed and its fields are looked up by name (`graphql`), without a schema; a field that nobody
knows here is null, as with a server of another version, and is named once.
"""

from raysweep.tracking.endpoint.recorded import recorded, recorded_sweeps
from raysweep.tracking.endpoint.server import Endpoint
from raysweep.tracking.endpoint.sweeps import Sweeping

__all__ = ["Endpoint", "Sweeping", "recorded", "recorded_sweeps"]
