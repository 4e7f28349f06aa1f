"""The stages that make data and untrained models, once, before the trials."""
