"""What `benchmark(device=)` calls the two places that are no connection."""

#: This computer, and Arm64 cores under QEMU on it.
HOST, EMULATED = "host", "arm64-emulated"
