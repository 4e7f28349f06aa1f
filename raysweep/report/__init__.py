"""The page of a sweep: one HTML file that shows it whole, without a server or a network."""
