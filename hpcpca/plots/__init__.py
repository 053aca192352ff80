"""Figures, from files alone: of results and checkpoints, and of experiments. Needs matplotlib (extra [plot])."""
