"""What a run leaves for others: tables of predictions, a summary for machines, a crate that names every file."""
