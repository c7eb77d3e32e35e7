"""uv and uvx."""
