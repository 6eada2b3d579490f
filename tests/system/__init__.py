"""The whole gateway as its users run it: real processes, real tool servers, a real client."""
