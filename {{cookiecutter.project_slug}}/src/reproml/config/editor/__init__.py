"""JSON Schemas of the files in configs/, for completion, types and texts in an editor: `python -m reproml schema`."""
