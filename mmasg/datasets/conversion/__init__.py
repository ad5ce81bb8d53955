"""Original labels into training ids."""
