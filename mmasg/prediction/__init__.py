"""Single images without labels: transforms, weights."""
