"""Who signed what: keys, signed decisions and attempts, and the list of people."""
