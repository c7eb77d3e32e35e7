"""Other clients than pip and npm: each decides what its lock names, or what it asks for, before its own tool runs."""
