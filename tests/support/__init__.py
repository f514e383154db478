"""What several tests share: messages passed through their frames, and a notation for people."""
