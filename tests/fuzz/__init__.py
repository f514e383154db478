"""Damaged and hostile bytes for whatever reads bytes of others; `python -m tests.fuzz --help`."""
