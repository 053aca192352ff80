"""What the attribute ``format`` of files of hpcpca says they are."""

RESULT, CHECKPOINT = "hpcpca-result", "hpcpca-checkpoint"
SCORES, RECONSTRUCTION = "hpcpca-scores", "hpcpca-reconstruction"
EXPERIMENT, TRUTH = "hpcpca-experiment", "hpcpca-truth"
