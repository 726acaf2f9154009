"""Finding runs by a short name, listing them, and removing them by rule."""
