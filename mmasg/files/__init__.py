"""Files of images and labels: listed, read in parallel, found sound or not."""
