"""One attempt of a node: its work inside its cell, its calls, its guards."""
