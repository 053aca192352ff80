"""All of MPI: the world, the grid of ranks, memory shared on a node, and the exchanges between
workers.
"""
