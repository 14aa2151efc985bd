"""A network at several budgets: `keras-diffmask evidence budgets`."""
