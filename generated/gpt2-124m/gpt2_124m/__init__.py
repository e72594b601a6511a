"""gpt2-124m: a decoder with 12 blocks of width 768, 124.4M parameters."""
