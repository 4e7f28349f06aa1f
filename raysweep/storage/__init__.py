"""Sweeps' folders, journals and checkpoints."""
