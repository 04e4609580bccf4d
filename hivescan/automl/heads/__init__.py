"""Heads on vectors: fitted, calibrated, saved; and models applied to items."""
