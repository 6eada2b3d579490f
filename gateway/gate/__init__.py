"""What stands behind every agent-facing wire: lists, subscriptions, receipts, and the way to the Line."""
