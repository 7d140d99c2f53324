"""From what a person has (files, arrays, tables, numbers) to what a model's inputs take: one reading for every analysis."""
