"""Everything that touches files (h5py only)."""
