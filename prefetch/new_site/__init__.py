"""A first configuration: its description, its file, its starter rules, a trial of its peers."""
