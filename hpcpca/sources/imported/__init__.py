"""Files of other formats that are written again as HDF5, one module a format."""
