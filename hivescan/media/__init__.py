"""Files in, samples out: sources, probes, decoders and the views that models look at."""
