"""Analyzers turn samples into findings. A new one is one file here and one line in ``registry``."""
