"""Where the broker keeps what must last."""
