"""The bypass corpus: ways to start an install, each run against a simulated registry whose package is blocked."""
