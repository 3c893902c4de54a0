"""How things are shown: text for terminals and mails."""
