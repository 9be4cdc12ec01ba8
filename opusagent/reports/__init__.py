"""What calls have left, read back: one call on a page, many in a table, and where their time went."""
