"""The command line: a thin module for each verb, `options` for the shared options, `terminal` for all printing."""
