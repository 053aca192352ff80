"""Before a run: what it costs, which operator, on which machine, and the batch file for it."""
