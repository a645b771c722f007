"""Joins the parts into Bytewax steps; resolves the names in the configuration."""
