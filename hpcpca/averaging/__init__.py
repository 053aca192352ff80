"""``compress``: the mean of the matrices in many HDF5 files, in a few factors.

Workers share out the rows of every matrix. A round is one of subspace iteration on the mean, for
all matrices at once, with one reading of the files, or none if the mean fits in memory.
"""
