"""The index that pip talks to for the length of one command, on loopback."""
