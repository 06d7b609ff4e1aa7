"""The plans of this deployment, one noun a file."""
