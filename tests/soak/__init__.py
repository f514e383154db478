"""Real chaos: broker, two workers and two clients as processes on hosts of their own, and faults among them.

    make soak SECONDS=600 SEED=1          or: python -m tests.soak --help
    pytest tests/soak                     one minute of it; quick tests of its pure parts

    workload     what the clients submit, and what a serial run of it gives
    client       a client's program
    files        how programs that may be killed tell one another things
    network      namespaces, cables, addresses
    relay        the program between peers and broker: delay, loss, half-open lines
    disk         the broker's small disk: full, read-only
    part         a program: started, killed, frozen, started again
    cluster      all of them together, with keys and roster
    faults       what goes wrong, where and when: pure, from a seed
    injector     does it, and undoes it
    audit        is every result there once, and the serial one?
    report       what happened, in figures
    run          one soak from start to report
    test_chaos   one minute in CI
    test_parts   plan, audit and report: that they bite

It needs root and Linux (network namespaces, tmpfs). What must be true at its end: every result of every job is there
exactly once and equals the serial run, in what clients read (twice) and in the database; no job is left unfinished; no
program ended by itself; no process is left over.
"""
