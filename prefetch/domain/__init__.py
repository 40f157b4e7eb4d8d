"""Pure nouns and decisions of the daemon: no I/O, no configuration."""
