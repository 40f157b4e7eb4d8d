"""The domain: nouns and pure rules; no I/O and no configuration."""
