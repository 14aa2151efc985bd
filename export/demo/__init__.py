"""The demonstration: real data in, a table of dense against pruned out."""
