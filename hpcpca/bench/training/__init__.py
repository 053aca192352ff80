"""Networks trained on several workers, whose gradients a compressor averages. Extra [train]."""
