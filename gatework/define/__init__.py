"""What an author writes: stages, guards, tools and workflows, read once and sealed into a plan."""
