"""What telephony platforms say, as pure translations between their text and the dialect of the house."""
