"""Datasets, training, evaluation and deployment: from labelled files to a head that ``classify`` runs."""
