"""Shim commands that stand in front of pip and npm: the launcher behind them, and how they come and go.

Nothing here imports anything of guard. ``launcher`` is what a shim starts and counts milliseconds; the other modules
belong to ``guard shims``.
"""
