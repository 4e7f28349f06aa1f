"""A tracker that records a sweep in the embedded store and in W&B."""
