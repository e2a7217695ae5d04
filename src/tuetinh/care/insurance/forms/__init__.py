"""The forms of the insurance: the cost list of a visit, the lists and sums of a month or quarter, as XLSX and PDF."""
