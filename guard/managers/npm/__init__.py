"""The npm driver: what the user typed, resolved, decided, and installed."""
