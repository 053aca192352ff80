"""All uses of MPI: the world, memory shared on a node, and the exchange between workers."""
