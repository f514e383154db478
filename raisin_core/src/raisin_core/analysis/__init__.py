"""What a function is and needs, without running it."""
