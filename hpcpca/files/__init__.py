"""Files of our own: written whole or not at all, sealed, locked, read back and checked."""
