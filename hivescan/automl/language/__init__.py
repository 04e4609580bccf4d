"""Language models trained further on prompts and completions."""
