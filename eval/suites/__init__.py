"""The suites of ``memedit eval``, one TOML file each; see memedit/evaluate/suite.py."""
