"""What the law says of pictures whose time is over: they are kept as long as the record that they belong to, may be
held, and are destroyed together with it, with proof. Terms, councils and second persons are those of
`governance/privacy`.
"""
