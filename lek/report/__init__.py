"""A finished run -> what people read: the terminal's summary, the HTML page."""
