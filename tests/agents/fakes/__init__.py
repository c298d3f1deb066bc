"""Model APIs on 127.0.0.1, as far as the agents under test need them."""
