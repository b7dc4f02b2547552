"""The one seam to models: a backend answers a case, or says why it cannot."""
