"""Search: what is tried next, what is stopped early, what ends a sweep."""
