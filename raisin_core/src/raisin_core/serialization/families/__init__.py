"""How each family of types travels: a module per family, with a table `REDUCERS` and what rebuilds on the other side.

A reducer is `reduce(value, pickler)` and returns what `__reduce_ex__` would, or NotImplemented, which leaves the value
to cloudpickle. What it names for rebuilding (`families.files.rebuild_...`) is part of the format: it stays.

Rules of this package: the standard library and cloudpickle only; any Python that raisin supports reads what any writes.
"""
