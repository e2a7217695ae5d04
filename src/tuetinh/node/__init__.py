"""One running installation: settings, command line, embedded database, roles, demo province."""
