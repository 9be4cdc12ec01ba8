"""Loads the hypothesis profile before any law is collected."""

from property_tests.profile import load_profile

load_profile()
