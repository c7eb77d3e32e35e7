"""One rule per file; each has a section of the same name in docs/rules.md."""
