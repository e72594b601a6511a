"""The last pass: is what was emitted sound, and does its own proof hold?"""
