"""The embedded tracker, in Trackio's storage."""
