"""Which scans meet in a mini-batch, and what is known of them."""
