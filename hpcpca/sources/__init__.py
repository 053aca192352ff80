"""The user's data as blocks of rows: formats, file sets, checks, and test data."""
