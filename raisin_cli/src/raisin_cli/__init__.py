"""The command line: the programs of raisin by one name.

Rules of this package: modules import raisin_core and raisin; the broker and the worker only inside the body of a
function, where their absence becomes one line that says what to install. A user's mistake never ends in a traceback.
"""
