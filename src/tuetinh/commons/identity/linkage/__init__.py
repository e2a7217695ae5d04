"""Are these two records one person? Deterministic by their numbers first, then by weight (Fellegi and Sunter).

`features` says what is compared, `model` how much it weighs (data that an administrator may change), `scoring` weighs a
few candidates of one person, `runs` all people by Splink: both with the conditions of the model, on DuckDB. `simulate`
makes people who stand twice, from whom the model is learned; `sets` measures it on labelled sets, those of other
countries by `forms`, with the `groups` that the weights suggest.
"""
