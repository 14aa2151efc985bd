"""Other libraries that prune, each in a process of its own, beside ours."""
