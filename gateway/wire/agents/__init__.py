"""The wire towards agents: Streamable HTTP in both protocol eras, and stdio. Behind it stands `ports.Gate`."""
