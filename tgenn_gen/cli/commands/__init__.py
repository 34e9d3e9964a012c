"""The commands: one module each, with its options (add) and what it does (run). None imports another."""
