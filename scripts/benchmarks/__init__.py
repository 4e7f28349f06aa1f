"""How fast raysweep is, against what people would use instead: `scripts/bench` runs it.

`measures` has a module for each question, `peers` the contenders as a competent user would write
them by hand. Each contender runs in a process of its own. Nothing here is installed with raysweep.
"""
