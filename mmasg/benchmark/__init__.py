"""Several trainings side by side, and what a step costs."""
