"""One process of a program: its command line, environment, start, output and end."""
