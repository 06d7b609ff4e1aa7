"""What crosses to Temporal and back: connections, payloads, stores, the names that the server keeps."""
