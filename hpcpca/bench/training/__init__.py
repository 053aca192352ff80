"""Networks trained on several workers: with a compressor between their gradients, and adapters of
them. Extra [train].
"""
