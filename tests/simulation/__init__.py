"""Broker, workers and clients in one process: the real machines and stores, and all around them drawn from a seed.

world     time, chance, the trace         network   connections that delay, fall silent, are cut
host      a process: turns, sleep, clocks, death      plan    which jobs there are, and how their tasks behave
broker, worker, slots, client             the shells: they carry out the machines' commands
submission  a program: feeds a job, reads its results, cancels, leaves
ledger    what is durable, and what was promised to be      owners    who may be given what
harms     what may go wrong               faults    how often, and who comes back
bounds    what may be kept and said       rare, watch   states that must be reached, and who sees them
run       one seed from its beginning to its end      story     what happened to a task, in words
many      the command: one seed, or many on all cores
"""
