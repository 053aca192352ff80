"""Results for other programs: a file a format."""
