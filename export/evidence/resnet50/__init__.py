"""Times of ResNet50 on its way to a file."""
