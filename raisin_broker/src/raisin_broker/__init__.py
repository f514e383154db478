"""The broker: keeps jobs, gives out leases, records results. It never unpickles anything.

Rules of this package: it imports raisin_core and nothing of the worker or the command line.
`machine`, `scheduler`, `state` and `records` are pure: no clock, socket, file, thread, database or randomness.
Import order: server -> machine -> scheduler -> state -> records -> raisin_core.
"""
