"""Measurements against peers: whole processes, the same files in, components out."""
