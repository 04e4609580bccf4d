"""Benchmarks of detectors on whole sources that they were not trained on."""
