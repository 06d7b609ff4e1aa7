"""Plans: the sealed order of a workflow as plain data, and what must hold of it."""
