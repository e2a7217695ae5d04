"""Who may see what: relations that come from facts, rules of each role, broken glass, and why."""
