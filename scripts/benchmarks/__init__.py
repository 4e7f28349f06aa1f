"""Benchmarks of raysweep against the alternatives; `scripts/bench` runs them.

`measures` has a module for each question, `peers` the contenders, as a competent user would write
them by hand. Each contender runs in its own process. Nothing here is installed with raysweep.
"""
