"""Data and untrained models: the stages that run once, before the trials."""
