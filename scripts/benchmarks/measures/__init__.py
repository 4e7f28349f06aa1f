"""The questions, a module each: what is timed against what, and what it has to come to."""
