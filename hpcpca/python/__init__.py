"""What Python programs use: results as objects, and estimators over the engine of the command
line. Modules here start MPI when something is fitted, not when they are imported.
"""
