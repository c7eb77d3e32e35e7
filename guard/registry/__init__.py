"""Clients of package registries over one HTTP layer."""
