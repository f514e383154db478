"""What every part of raisin shares: words on the wire, pages, keys, errors and the client.

Rules of this package: it imports nothing of the broker, the worker or the command line.
`errors`, `pages`, `ranges` and `serialization` need nothing beyond the standard library and
cloudpickle, because task processes may run in an interpreter that has nothing else.
"""

__version__ = "0.1.0"
