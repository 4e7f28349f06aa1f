"""A sweep handed to a cluster's job server."""
