"""Data sets, the network, training and evaluation, in PyTorch and nothing above it.

Knows neither Ray, nor a tracker, nor the config files. `files`, `idx`, `seeds` and `shapes` do not
import torch, so that a command that only plans answers at once; importing this package imports
nothing.
"""
