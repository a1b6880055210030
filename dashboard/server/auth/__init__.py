"""Who may come in: logins, OAuth, passwords."""
