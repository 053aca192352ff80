"""Small dense numerics on rows of vectors (numpy only): arrays in, arrays out."""
