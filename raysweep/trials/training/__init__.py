"""The built-in kind of trial: an epoch a step, by raysweep.ml or parts of the user's own."""
