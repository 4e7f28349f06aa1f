"""The search-space language: W&B's distributions, and how a parameter is written."""
