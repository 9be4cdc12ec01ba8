"""Measurements as commands that print tables."""
