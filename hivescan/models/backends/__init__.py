"""Runtimes behind one interface. Each module imports its library only when a network is opened."""
