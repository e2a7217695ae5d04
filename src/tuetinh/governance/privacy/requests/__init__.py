"""Requests of the people whose data this is: made, answered within the deadlines of the law, carried out."""
