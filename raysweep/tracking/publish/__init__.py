"""Publish a locally stored sweep to W&B."""
