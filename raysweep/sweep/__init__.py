"""A sweep from end to end: run, resume, plan, choose, evaluate, sync."""
