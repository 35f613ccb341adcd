"""The command line: parse, call, draw progress, print, exit code."""
