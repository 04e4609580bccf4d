"""What a model is worth: figures with intervals, pages, studies."""
