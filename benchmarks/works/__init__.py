"""Each work measures one promise and yields the rows of the table that speak of it."""
