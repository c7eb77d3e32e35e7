"""Fuzzing of everything that reads untrusted evidence: it verifies, or raises the one error of its format."""
