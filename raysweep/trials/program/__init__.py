"""A trial is a run of the user's own program, watched through what it logs with wandb's client."""
