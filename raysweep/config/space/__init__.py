"""The language of a search space: W&B's distributions, and what a parameter may be written as."""
