"""Programs that run once: before the trials, and on the winner."""
