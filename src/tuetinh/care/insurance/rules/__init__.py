"""What the insurance asks of a visit, as rules that are data: of an open order, of a claim, of a whole month."""
