"""The folder of a program: a copy for each trial, and the whole on each node."""
