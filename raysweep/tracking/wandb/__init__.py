"""W&B, through its public client."""
