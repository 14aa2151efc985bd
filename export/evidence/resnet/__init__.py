"""Trainings of one ResNet-8 on images, which several tables share."""
