"""Values: how single values are read, written and shown."""
