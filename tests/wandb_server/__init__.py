"""A W&B-protocol server for the tests."""

from wandb_server.lend import end, lent
from wandb_server.server import WandbServer

__all__ = ["WandbServer", "end", "lent"]
