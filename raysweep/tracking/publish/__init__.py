"""Bring a sweep that is kept here to W&B."""
