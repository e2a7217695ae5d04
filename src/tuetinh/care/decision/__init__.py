"""Decision support: what a module has to say at the moment of a decision, offered to our pages and to other systems.

At the doctor's desk. Speaks CDS Hooks 2.0. Modules register their services in `api`.
"""
