"""Ray: join or start it, silence it, stop it; and the writer actor, reached from every node."""
