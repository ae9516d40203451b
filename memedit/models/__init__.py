"""Language models: the embedded default, local and remote ones, and the roles they play."""
