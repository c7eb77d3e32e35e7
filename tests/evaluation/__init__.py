"""What guard says of lockfiles of real projects: ``python -m tests.evaluation LOCKFILE…``."""
