"""Local modules on their way: the text that was imported, what belongs together, where it lives on the other side.

Rules of this package: the standard library only.
"""
