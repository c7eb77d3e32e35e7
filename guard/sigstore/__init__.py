"""Sigstore verification. Pure: no socket, environment, clock or file."""
