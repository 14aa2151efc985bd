"""MLPerf Tiny's shapes: `keras-diffmask evidence tiny`."""
