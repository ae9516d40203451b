"""The suites of `memedit eval`, one TOML file each; memedit/evaluate/suite.py says what they hold."""
