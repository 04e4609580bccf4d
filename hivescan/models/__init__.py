"""The catalogue of models: cards, where weights come from, the cache, and the backends that run them."""
