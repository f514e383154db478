"""The database's past: what turns each version's tables into the next one's.

Rules of this package: read by Alembic, and only when a database of an older version is opened (see migrating.py). A
script that was released never changes, so it names all its columns itself. Functions that are not SQL come with the
connection.
"""
