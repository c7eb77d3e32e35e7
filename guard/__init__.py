"""guard: verified installs for pip and npm. This module imports nothing, so that pass-through commands start fast."""

__version__ = "0.1.0"
