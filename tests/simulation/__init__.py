"""Broker, workers and clients in one process: the real machines and stores, and all around them drawn from a seed.

world     time, chance, the trace         network   connections that delay, fall silent, are cut
host      a process: turns, sleep, death  plan      which jobs there are, and how their tasks behave
broker, worker, slots, client             the shells: they carry out the machines' commands
submission  a program: feeds a job, reads its results, cancels
ledger    what is durable, and what was promised to be
faults    who does what harm, and when    run       one seed from its beginning to its end
"""
