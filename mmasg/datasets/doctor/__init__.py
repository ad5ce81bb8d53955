"""Data looked at before a training."""
