"""Gathers facts and asks the policy: one engine for each ecosystem, and nothing else decides."""
