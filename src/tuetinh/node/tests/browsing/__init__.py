"""Every HTML page of a node in a browser: how each is reached, and what is looked at."""
