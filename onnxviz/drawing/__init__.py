"""Pictures and charts of arrays. This room knows nothing of models, methods and commands."""
