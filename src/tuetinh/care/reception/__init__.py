"""Reception: finds or registers the person, checks the card, opens the visit, gives the queue number, calls it.

At the reception desk, on the waiting-room screen, and behind every consulting room's list. Facts: Encounter, Coverage.
"""
