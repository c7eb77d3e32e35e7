"""Binding of attestations to artifacts, one file per ecosystem. Pure: no socket, environment, clock or file."""
