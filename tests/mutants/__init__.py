"""Machines broken on purpose: proof that the simulation would notice.

mutant    what a mutant is, and how it is put into a copy of the source
broker, worker, client    the mutants: file, old text, new text, what it means
hunt      runs seeds against a mutant until one fails
"""
