"""Reports of a run: JSON, terminal, Markdown and one self-contained HTML page."""
