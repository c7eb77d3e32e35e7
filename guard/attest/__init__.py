"""Binding of verified statements to the file that would be installed, and the states of evidence."""
