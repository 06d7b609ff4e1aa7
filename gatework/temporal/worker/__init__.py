"""What a worker serves: activities, the plugin, and what is looked at before it starts."""
