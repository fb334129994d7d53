"""What is learned and compared beside the main study: second targets, and science cases of its test objects."""
