"""LeNet-300-100 and LeNet-5, pruned as three papers prune them."""
