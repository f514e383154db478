"""One module per command.

Rules of this package: a command imports what it needs inside its body, so that `raisin --help` is quick and works where
parts are missing. Every command has a `--help` with an example, and none exists before it works.
"""
