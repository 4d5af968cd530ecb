"""Units, ledgers, intervals, sourced figures, sentences and errors: what every other part is written in."""
