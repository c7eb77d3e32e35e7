"""Lockfile formats: bytes in, typed entries out."""
