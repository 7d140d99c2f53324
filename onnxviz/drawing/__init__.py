"""Pictures and charts of arrays: what a person looks at. Knows nothing of models, methods and commands."""
