"""Labelled items: brought in, checked, frozen, audited."""
