"""The pip driver: what the user typed, resolved, decided, and replayed."""
