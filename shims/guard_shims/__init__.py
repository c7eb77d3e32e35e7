"""Shim commands that stand in front of pip and npm."""
