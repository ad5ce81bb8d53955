"""What the commands below tools/ share."""
