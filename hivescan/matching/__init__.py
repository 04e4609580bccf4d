"""Known material: hash lists, exact search within a Hamming distance, matches of stored hashes."""
