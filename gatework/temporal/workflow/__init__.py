"""A run inside its workflow: the interpreter, what it asks of workers, and what people say to it."""
