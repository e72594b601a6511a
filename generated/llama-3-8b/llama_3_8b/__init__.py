"""llama-3-8b: a decoder with 32 blocks of width 4096, 8.03b parameters."""
