"""The runs that there are: found by a short name, listed, and removed by rule."""
