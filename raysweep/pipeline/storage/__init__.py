"""Where sweeps are kept: folders, what is in them, and buckets that hold the same."""
