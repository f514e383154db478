"""One script a version, 0001 and so on; the last one's result is what schema.py says."""
