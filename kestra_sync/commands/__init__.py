"""What each command does, from settings to a result; all of it can be run without click."""
