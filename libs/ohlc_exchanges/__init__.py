"""What is particular to each exchange: its frames, history pages, names and conventions."""
