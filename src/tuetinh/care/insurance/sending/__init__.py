"""Claims on their way to the gateway: a queue for each facility, signed files, what became of each, the pages."""
