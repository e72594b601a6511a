"""The tests of this repository; those of emitted projects are in `templates/`."""
