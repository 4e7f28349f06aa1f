"""Data sets, the network, training and evaluation, in PyTorch and nothing above it.

Knows neither Ray, nor a tracker, nor the config files. `files`, `idx`, `seeds` and `shapes` do not
import torch, so that `plan` starts fast; importing this package imports nothing.
"""
