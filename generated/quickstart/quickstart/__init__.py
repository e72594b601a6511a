"""quickstart: a decoder with 4 blocks of width 128, 1.05M parameters."""
