"""Bringing hash lists of others in, merging, comparing and giving them out.

A source becomes batches of rows (``reading``: ``csv_rows``, ``json_rows``, ``ncmec`` …), which are checked
(``cleaning``), spooled (``staging``) and merged into the list (``deciding``, ``merging``). Nothing here
holds more than some batches of rows in memory, however long a list is.
"""
