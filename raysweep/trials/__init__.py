"""A trial, from its first report to its end, and Ray Tune around it."""
