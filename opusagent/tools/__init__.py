"""What the model may call: functions, webhooks, and what the bridge itself can do."""
