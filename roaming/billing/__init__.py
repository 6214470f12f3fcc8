"""From CDRs to money: what is wrong with others' CDRs, disputes and credits, statements and the ledger below them."""
