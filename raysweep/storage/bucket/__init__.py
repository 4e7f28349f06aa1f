"""A storage at a URI: a local working copy, a lease for the one writer, and pushes of changes."""
