"""One run: what it is asked for, the loop, what watches it, and what it leaves behind."""
