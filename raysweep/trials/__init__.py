"""Trials: the bookkeeping of each one, from its first report to its end, and the Ray Tune loop."""
