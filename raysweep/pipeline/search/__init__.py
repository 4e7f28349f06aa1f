"""What is tried next, what is stopped early, and what ends a sweep."""
