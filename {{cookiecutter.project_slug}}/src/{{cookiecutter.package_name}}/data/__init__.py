"""Readers: one function for each data set."""
