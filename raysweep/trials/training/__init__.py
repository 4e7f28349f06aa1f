"""The built-in workload: a trial trains a network, built-in or custom, and reports each epoch."""
