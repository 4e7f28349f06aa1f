"""Ray: joined or started, its processes and its habits."""
