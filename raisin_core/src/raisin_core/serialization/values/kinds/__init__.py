"""Rooms for the kinds of values: each has WRITERS by exact type and READERS by number of extension (see `base`).

Rules of these files: a reader checks types and ranges before it builds, and builds only what its writer could have met.
"""
