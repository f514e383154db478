"""Closed clusters from end to end: real programs, real keys, and brokers that mean harm."""
