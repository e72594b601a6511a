"""specc compiles one declarative YAML spec of a language model into a standalone, tested PyTorch project."""
