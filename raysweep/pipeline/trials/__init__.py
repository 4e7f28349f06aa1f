"""Trials, from their first epoch to their model, on whatever machine they run."""
