"""The user's data as rows: file sets, what is wrong with them, and how new ones are made."""
