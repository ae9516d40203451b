"""Jinja2 templates of the roles a model plays, one a file."""
