"""The problem of principal components: what is asked for, its operator, its result and its
check.
"""
