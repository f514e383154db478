"""The worker: an agent that speaks with the broker, and one task process per slot that runs what others wrote.

Rules of this package: it imports raisin_core and nothing of the broker or the command line.
`machine` and `events` are pure: no clock, socket, file, thread, process or randomness.
Import order: main -> agent -> executor -> machine -> events -> raisin_core.
The agent never unpickles: what comes out of a task process is opaque bytes to it. The inside of a task process needs
nothing beyond the standard library and cloudpickle, because its interpreter may be another one.
"""
