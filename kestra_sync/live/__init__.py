"""What the server holds, read in as few requests as it allows. Reads only."""
