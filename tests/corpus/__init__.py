"""Real failures whose cause is known, and what `explain` makes of them."""
