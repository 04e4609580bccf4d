"""The engine: plan, decode workers, one inference host, collection, commits."""
