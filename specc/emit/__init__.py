"""Decided values to a set of files, and that set into a project folder without losing a hand edit."""
