"""What tool servers offer: fetched, compared with what an operator approved, merged into one table."""
