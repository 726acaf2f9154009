"""What people read before they use the model or the data: model card, data card, and Croissant for machines."""
