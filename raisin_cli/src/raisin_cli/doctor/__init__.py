"""What `raisin doctor` looks at.

findings   what facts mean, and what to do about them: pure
here       facts of this machine: versions, files, clock, disk
reach      which of address, port, firewall and key is wrong, where a broker cannot be used
examine    all of it, in order

Rules of this package: it changes nothing; what it cannot know it does not claim.
"""
