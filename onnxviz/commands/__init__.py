"""What one types: a verb per file, thin; `options` holds every shared option, `terminal` all that is printed."""
