"""The same storage at a URI: a working copy here, one writer there, and what has changed sent."""
