"""One driver per package manager."""
