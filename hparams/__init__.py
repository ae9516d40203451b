"""Hyper-parameters as TOML, one file for each method and model family."""
