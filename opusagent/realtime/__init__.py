"""What the Realtime service says and hears (GA protocol), as pure translations between text and values."""
