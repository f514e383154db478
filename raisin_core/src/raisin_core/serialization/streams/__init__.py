"""An object as a stream of bytes, and back; the format is described in docs/serialization.md."""
