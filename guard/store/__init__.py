"""What guard keeps on disk."""
