"""The built-in workload: each trial trains a network with raysweep.ml or the user's own parts, and
reports after every epoch."""
