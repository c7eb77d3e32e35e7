"""Deciding what lockfiles name, without installing it: finding them, reading them, and one question for all of them."""
