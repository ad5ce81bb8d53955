"""The files that the paper's authors released, and ours: one into the other."""
