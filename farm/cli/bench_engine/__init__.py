"""What ``farm bench engine`` prints: a file per group of figures, and the report that joins them."""
