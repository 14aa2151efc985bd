"""Stripped networks beside the same ones written by hand."""
