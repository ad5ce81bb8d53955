"""Train and test several configs side by side and compare them."""
