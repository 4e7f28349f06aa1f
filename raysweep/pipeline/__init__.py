"""The joins: stages, trials, selection and report on Ray. The only folder that imports Ray.

Importing this package imports nothing. `sweep` runs the whole; `stages`, `trial` and `evaluator`
are plain Python that `ray.remote` and `trainable` wrap at the edge; `storage`, `space`, `events`,
`result` and `reading` need no Ray, so that a command that only reads answers at once.
"""
