"""gpt-13b: a decoder with 40 blocks of width 5120, 13.2b parameters."""
