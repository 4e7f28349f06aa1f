"""One module per question: what is compared with what, and the target."""
