"""The passes in order. Each module imports what its commands run and no more, so that the quick ones start quickly.

checking: load, resolve. planning: plan. output: emit, write, verify. difference: two outputs side by side.
"""
