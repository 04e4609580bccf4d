"""The store: a folder of plain Parquet, one subfolder a table, and a log of what belongs to it."""
