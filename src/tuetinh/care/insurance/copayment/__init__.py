"""The co-payment of a person in a year: how much it is, and the insurer's paper that says that none is due any more."""
