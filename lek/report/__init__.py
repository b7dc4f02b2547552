"""Reports of a finished run: the terminal summary and HTML fragments."""
