"""Rows of files through a map, such as a projection, into a file."""
