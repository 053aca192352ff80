"""What the attribute ``format`` of files of hpcpca says they are."""

RESULT, CHECKPOINT = "hpcpca-result", "hpcpca-checkpoint"
SCORES, RECONSTRUCTION = "hpcpca-scores", "hpcpca-reconstruction"
PREDICTIONS, ERRORS = "hpcpca-predictions", "hpcpca-errors"
WORKER_STATE, OWED = "hpcpca-worker-state", "hpcpca-owed"
# checkpoints of version 1 have no unfinished pass
VERSIONS = {RESULT: 1, CHECKPOINT: 2, WORKER_STATE: 1, OWED: 1}
EXPERIMENT, TRUTH = "hpcpca-experiment", "hpcpca-truth"

# An attribute of test data, which have no format: files with one are not taken for data.
MADE_BY, TEST_DATA = "made_by", "hpcpca data make"
