"""The commands, one module each, with its options (add) and its work (run). None imports another."""
