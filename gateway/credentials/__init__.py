"""Credentials for tool servers: what gives them, who has them, and how they end.

A provider joins by its settings (credential_settings.py), its file here, and a line in `PROVIDERS`.
"""
