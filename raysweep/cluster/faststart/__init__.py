"""Start Ray faster on this machine; hold every private part of Ray that raysweep uses.

Ray has no options for this, so each patch replaces something private during `ray.init`. `probe`
finds which patches this Ray allows, `lean` and `fork_server` are the patches, and `start` applies
them, or starts Ray without them if they are switched off or do not work.
"""
