"""What the attribute ``format`` of files of hpcpca says they are."""

RESULT, CHECKPOINT = "hpcpca-result", "hpcpca-checkpoint"
SCORES, RECONSTRUCTION = "hpcpca-scores", "hpcpca-reconstruction"
EXPERIMENT, TRUTH = "hpcpca-experiment", "hpcpca-truth"

MADE_BY, TEST_DATA = "made_by", "hpcpca data make"  # an attribute of test data, which have no format: they are data like others
