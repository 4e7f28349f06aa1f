"""Output for people: the live table, plain lines without a terminal, the summary."""
