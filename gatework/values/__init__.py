"""Values: canonical JSON, contracts, documents, and where their content lies."""
