"""What watches a run: called after every round as ``monitor(report)`` on all ranks; a returned outcome ends the run."""
