"""What makes a Ray of our own start sooner, and every private part of Ray that we lean on.

Ray has no option for any of it, so each patch replaces something private for the length of
`ray.init`. `probe` says which patches this Ray allows, `lean` and `fork_server` are the patches,
and `start` uses them, or starts Ray as it comes where they are switched off or do not work.
"""
