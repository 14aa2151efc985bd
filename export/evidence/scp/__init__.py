"""VGG-16 and ResNet-56 as the operation-aware paper prunes them: `evidence scp`."""
