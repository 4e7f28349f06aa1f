"""Ray: joined or started, quiet, stopped; and the one writer, reached from everywhere."""
