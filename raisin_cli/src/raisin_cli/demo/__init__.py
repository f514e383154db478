"""`raisin demo`: a real job on a private cluster, with kill -9 in the middle.

Rules of this package: everything shown was measured in this run; processes are waited for by what they do, never by
time alone; nothing is left behind, however it ends.
"""
