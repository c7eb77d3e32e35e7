"""Locks that the tools themselves make from the simulators; ``python -m tests.locktools`` records them."""
