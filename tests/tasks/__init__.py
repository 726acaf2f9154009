"""Tasks as Lightning's documentation has people write them. Nothing in them knows of this project."""
