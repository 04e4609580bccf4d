"""What results mean, said once in SQL: verdicts, spans, selections, coverage, sweeps, metrics.

Everything here reads the current views of a store and decodes nothing.
"""
