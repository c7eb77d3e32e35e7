"""Sigstore verification with an explicit trust root: bytes in, claims out; no file, socket, environment or clock."""
