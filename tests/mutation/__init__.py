"""Mutation testing: guard's own code with one thing wrong at a time, which a test must notice."""
