"""The paper's experiments, and what its open questions need: each writes one HDF5 file, a table
and figures.
"""
