"""What a person sees: the live table, plain lines where there is no terminal, the summary."""
