"""The command line: one file per command. A command parses, builds a config, makes one call, prints."""
